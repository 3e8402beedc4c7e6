/** Plain tables and figures for people. */
import { printable } from "../../lib/printable.js";

export type Align = "left" | "right";

/** Columns as wide as their widest cell, two spaces apart; numbers are right-aligned. */
export function table(names: string[], rows: (string | number | bigint)[][], align: Align[] = []): string {
  const header = names.map(printable);
  const cells = rows.map((row) =>
    row.map((cell) => (typeof cell === "string" ? printable(cell) : grouped(cell))),
  );
  const isRight = header.map((_, at) =>
    align[at] === undefined ? rows.length > 0 && typeof rows[0]![at] !== "string" : align[at] === "right",
  );
  const width = header.map((name, at) =>
    cells.reduce((widest, row) => Math.max(widest, row[at]?.length ?? 0), name.length),
  );
  const line = (row: string[]) =>
    row
      .map((cell, at) => (isRight[at] ? cell.padStart(width[at]!) : cell.padEnd(width[at]!)))
      .join("  ")
      .trimEnd();
  return `${[header, ...cells].map(line).join("\n")}\n`;
}

/** Name and value, one pair a line. */
export function pairs(entries: [name: string, value: string][]): string {
  const shown = entries.map(([name, value]) => [printable(name), printable(value)] as const);
  const width = shown.reduce((widest, [name]) => Math.max(widest, name.length), 0);
  return shown.map(([name, value]) => `${name.padEnd(width)}  ${value}\n`).join("");
}

/** 1234567 is "1,234,567". */
export function grouped(value: number | bigint): string {
  return String(value).replace(/\B(?=(\d{3})+(?!\d))/g, ",");
}

/** Four characters or so: 999, 1.23k, 45.6M, 789G. */
export function short(value: number): string {
  if (!Number.isFinite(value)) return "-";
  const units = ["", "k", "M", "G", "T", "P"];
  let scaled = value;
  let unit = 0;
  while (Math.abs(scaled) >= 999.5 && unit < units.length - 1) {
    scaled /= 1000;
    unit++;
  }
  const text = unit === 0 ? String(Math.round(scaled)) : scaled.toPrecision(3);
  return `${text}${units[unit]}`;
}
