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
  throw new SparsewireError("BAD_EXTENSION", `extension ${name}: ${file}: ${fault}${rest}`, {
    exit: EXIT.badInput,
    mend: `run sparsewire extension check ${file}`,
  });
}

/** Everything that is wrong with it, a line each. */
export function faultsOf(bytes: Uint8Array, memoryMax: number): string[] {
  try {
    const faults = extensionFaults(bytes, memoryMax);
    if (faults.length > 0) return faults;
    new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>);
    return [];
  } catch (error) {
    return [(error as Error).message.replace("WebAssembly.Module(): ", "not a sound module: ")];
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
