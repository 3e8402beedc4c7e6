/** A drawn picture as PNG. The renderer is a native module with binaries for the usual platforms: it may be missing. */
import { EXIT, errorLine, SparsewireError } from "../../lib/errors.js";

/** Pixels per px of the SVG: sharp on the screens of today. */
const ZOOM = 2;
const PROBE = '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20"><text y="15">0</text></svg>';

/**
 * @throws SparsewireError PNG_UNSUPPORTED where the renderer has no binary, NO_FONT where the host has no font
 */
export async function pngOf(svg: string): Promise<Uint8Array> {
  const { Resvg } = await import("@resvg/resvg-js").catch((error: unknown) => {
    throw new SparsewireError("PNG_UNSUPPORTED", `PNG cannot be drawn here: ${errorLine(error)}`, {
      exit: EXIT.unsupported,
      mend: "write an .svg file",
      cause: error,
    });
  });
  const font = { loadSystemFonts: true };
  if (new Resvg(PROBE, { font }).getBBox() === undefined) {
    throw new SparsewireError("NO_FONT", "PNG cannot be drawn here: this host has no font for its text", {
      exit: EXIT.unsupported,
      mend: "install one (fonts-dejavu-core), or write an .svg file",
    });
  }
  return new Resvg(svg, { font, fitTo: { mode: "zoom", value: ZOOM } }).render().asPng();
}
