/** The matrix of an extension in the formats of an export. */
import { EXIT, SparsewireError } from "./errors.js";
import type { ExportFormat } from "./export.js";
import { keyPrinter } from "./extension-keys.js";
import { EXTENSION_DIMENSION, type ExtensionMatrix, extensionRows } from "./extension-matrix.js";
import { plainName } from "./extension-versions.js";
import type { Traffic } from "./traffic.js";

const PIECE_CHARS = 1 << 16;

/**
 * By its name, or NAME@HASH where the sum has several versions of it. Throws NO_EXTENSION when nothing of it is in the sum,
 * EXTENSION_VERSIONS when the name could be several.
 */
export function extensionOf(traffic: Traffic, name: string): ExtensionMatrix {
  const found = traffic.extensions?.get(name);
  if (found !== undefined) return found;
  const names = [...(traffic.extensions?.keys() ?? [])];
  const versions = names.filter((one) => plainName(one) === name);
  if (versions.length > 0) {
    throw new SparsewireError(
      "EXTENSION_VERSIONS",
      `there are ${versions.length} versions of ${name} with different keys`,
      { exit: EXIT.usage, mend: `choose one: --extension ${versions.join(" or ")}` },
    );
  }
  throw new SparsewireError("NO_EXTENSION", `there is nothing of an extension ${name}`, {
    exit: EXIT.badInput,
    mend:
      names.length === 0 ? "give archives of a sensor that has extensions" : `there is ${names.join(", ")}`,
  });
}

/** Names of the three columns, as JSON and tables have them; csv and tsv have row,column,value. */
export const extensionHeader = ({ keys }: ExtensionMatrix): readonly [string, string, string] => [
  keys.row.name,
  keys.column.name === keys.row.name ? "column" : keys.column.name,
  keys.value,
];

/**
 * csv and tsv with the header row,column,value; json: objects with these keys; mtx and grb with the indices as they are. Rows by
 * row index, then column. Throws UNSUPPORTED_FORMAT for the others.
 */
export function* exportExtension(
  extension: ExtensionMatrix,
  format: ExportFormat,
): Generator<string | Uint8Array> {
  if (format === "grb") yield extension.matrix.serialize();
  else if (format === "mtx") yield* market(extension);
  else if (format === "csv" || format === "tsv" || format === "json") yield* texts(extension, format);
  else {
    throw new SparsewireError(
      "UNSUPPORTED_FORMAT",
      `the matrix of an extension cannot be written as ${format}`,
      {
        exit: EXIT.usage,
        mend: "use csv, tsv, json, mtx or grb",
      },
    );
  }
}

function* texts(extension: ExtensionMatrix, format: "csv" | "tsv" | "json"): Generator<string> {
  const separator = format === "tsv" ? "\t" : ",";
  const isJson = format === "json";
  let text = isJson ? "[" : `${["row", "column", "value"].join(separator)}\n`;
  let between = "\n";
  for (const [row, column, value] of extensionRows(extension)) {
    if (isJson) text += `${between}${JSON.stringify({ row, column }).slice(0, -1)},"value":${value}}`;
    else text += `${row}${separator}${column}${separator}${value}\n`;
    between = ",\n";
    if (text.length < PIECE_CHARS) continue;
    yield text;
    text = "";
  }
  yield isJson ? `${text}\n]\n` : text;
}

function* market({ keys, matrix }: ExtensionMatrix): Generator<string> {
  const { I, J, X } = matrix.extractTuples();
  let text = `%%MatrixMarket matrix coordinate integer general\n% ${keys.value}; rows: ${keys.row.kind}, columns: ${keys.column.kind}\n`;
  text += `${EXTENSION_DIMENSION} ${EXTENSION_DIMENSION} ${I.length}\n`;
  for (let i = 0; i < I.length; i++) {
    text += `${I[i]! + 1n} ${J[i]! + 1n} ${X[i]}\n`;
    if (text.length < PIECE_CHARS) continue;
    yield text;
    text = "";
  }
  yield text;
}

/** The n largest entries, printed, largest first. */
export function topExtension({ keys, matrix, dict }: ExtensionMatrix, n: number): [string, string, number][] {
  const [row, column] = [keyPrinter(keys.row.kind, dict), keyPrinter(keys.column.kind, dict)];
  const { rows, cols, values } = matrix.top(n);
  return Array.from(values, (value, i) => [row(rows[i]!), column(cols[i]!), Number(value)]);
}
