/** The little of roff that a manual page needs. */

/** Text as it is to be read: nothing in it is taken for a request. */
export function plain(text: string): string {
  return text
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replaceAll(/^([.'])/gm, "\\&$1");
}

export const bold = (text: string): string => `\\fB${plain(text)}\\fR`;

export function title(name: string, section: number, date: string, software: string, about: string): string {
  return `.TH "${name.toUpperCase()}" "${section}" "${date}" "${plain(software)}" "Sparsewire"\n.SH NAME\n${plain(name)} \\- ${plain(about)}\n`;
}

export const heading = (text: string): string => `.SH ${plain(text.toUpperCase())}\n`;
export const subheading = (text: string): string => `.SS "${plain(text).replaceAll('"', "")}"\n`;
export const paragraph = (text: string): string => `.PP\n${plain(text)}\n`;

/** A term and, indented below it, what it means. */
export const entry = (term: string, meaning: string): string => `.TP\n${bold(term)}\n${plain(meaning)}\n`;

/** Lines as they are, in a fixed pitch. */
export const verbatim = (text: string): string => `.PP\n.nf\n.RS 4\n${plain(text)}\n.RE\n.fi\n`;
