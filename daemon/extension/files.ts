/** Extensions as files: read and checked before anything of them runs. */
import { EXIT, SparsewireError } from "../../lib/errors.js";
import { EXTENSION_FILE_BYTES_MAX, extensionFaults } from "../../lib/extension-abi.js";
import { readRegular } from "../regular-file.js";

/** The module's bytes. Throws CANNOT_READ, or BAD_EXTENSION with the first thing that is wrong. */
export function loadExtension(name: string, file: string, memoryMax: number): Uint8Array {
  const bytes = readExtension(file);
  const [fault, ...more] = faultsOf(bytes, memoryMax);
  if (fault === undefined) return bytes;
  const rest = more.length === 0 ? "" : ` (and ${more.length} more)`;
  throw badExtension(name, file, `${fault}${rest}`);
}

/** What is wrong with an extension, as whoever wanted to run it is told. */
export const badExtension = (name: string, file: string, fault: string): SparsewireError =>
  new SparsewireError("BAD_EXTENSION", `extension ${name}: ${file}: ${fault}`, {
    exit: EXIT.badInput,
    mend: `run sparsewire extension check ${file}`,
  });

/** Everything that is wrong with it, a line each, as far as its sections tell: no engine has seen it yet. */
export function faultsOf(bytes: Uint8Array, memoryMax: number): string[] {
  try {
    return extensionFaults(bytes, memoryMax);
  } catch (error) {
    return [(error as Error).message];
  }
}

/** Throws CANNOT_READ, or BAD_EXTENSION where it is too large, or no file: a pipe or a device might never end. */
export function readExtension(file: string): Uint8Array {
  try {
    return new Uint8Array(
      readRegular(file, EXTENSION_FILE_BYTES_MAX, ({ size }) =>
        size === undefined
          ? bad(`${file} is no regular file`, "name the .wasm file itself")
          : bad(
              `${file} has ${size} bytes: more than an extension may`,
              `build it with less in it: ${EXTENSION_FILE_BYTES_MAX} bytes are the most`,
            ),
      ),
    );
  } catch (error) {
    if (error instanceof SparsewireError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    const denied = code === "EACCES" || code === "EPERM";
    throw new SparsewireError("CANNOT_READ", `cannot read the extension ${file}: ${message}`, {
      exit: denied ? EXIT.notPermitted : EXIT.badInput,
      mend: "check its path and who may read it",
      cause: error,
    });
  }
}

const bad = (why: string, mend: string): SparsewireError =>
  new SparsewireError("BAD_EXTENSION", why, { exit: EXIT.badInput, mend });
