/**
 * Text of others (names of files, interfaces and sensors, messages) as it may be shown: what would move a cursor,
 * change colours or turn the order of characters around becomes visible, as \u001b. Inside JSON that is the same
 * string.
 */

// C0, DEL, C1; Arabic letter mark, directional marks, embeddings, overrides and isolates; line and paragraph
// separators.
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
const UNSEEN = /[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** One line: line ends and tabs are made visible, too. */
export const printable = (text: string): string => text.replace(UNSEEN, escaped);

/** Several lines: line feeds and tabs stay. */
export const printableText = (text: string): string =>
  text.replace(UNSEEN, (character) =>
    character === "\n" || character === "\t" ? character : escaped(character),
  );

const escaped = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
