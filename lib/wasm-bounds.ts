/**
 * How much of each thing a module may have before an engine sees it. Engines bound these, too, but so generously (a million
 * types, ten million entries of each of 100,000 tables) that a kilobyte of module can end a process.
 *
 * What a module can take while it runs follows: its memory is fixed, its tables have these bounds, and without tags and
 * without types of garbage collection it can make no objects. What compiling its code costs is measured in a process apart.
 */
export const WASM_BOUNDS = {
  fileBytes: 4 << 20,
  types: 1000,
  /** Of a function, and results. */
  parameters: 100,
  imports: 16,
  functions: 10_000,
  tables: 16,
  /** Of all tables together, as large as they may ever become. */
  tableEntries: 10_000,
  globals: 1000,
  exports: 1000,
  nameBytes: 1000,
  elementSegments: 1000,
  elements: 10_000,
  dataSegments: 1000,
  customSections: 100,
  /** Of all functions. */
  codeBytes: 1 << 20,
  /** Of one: engines take time and memory by the square of it. */
  bodyBytes: 128 << 10,
  locals: 2000,
} as const;
