/** Bytes of a capture, in order, from wherever they lie. The file feeder knows nothing else of files. */
export interface ByteSource {
  /** Path, or "-". */
  readonly name: string;
  readonly format: "plain" | "gzip" | "zstd";
  /** Bytes taken from the file as it is stored (compressed), and its size if that is known: the progress. */
  readonly bytesRead: number;
  readonly bytesTotal: number | undefined;
  /** Once fill() has given 0: why the end is not the real one (a cut or corrupt compressed file). */
  readonly damage: string | undefined;
  /**
   * Puts 1 to view.length bytes at the start of `view` and says how many; 0 at the end. Plain files answer at once,
   * by a read(2) straight into `view`; pipes and compressed files answer with a promise.
   */
  fill(view: Uint8Array): number | Promise<number>;
  close(): void;
}
