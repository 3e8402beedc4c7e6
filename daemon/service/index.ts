/** `import { TrafficMatrix } from "sparsewire"`: sensing inside a web service. */

export { SparsewireError } from "../../lib/errors.js";
export type { Manifest } from "../../lib/manifest.js";
export type { Address } from "./addresses.js";
export {
  expressTraffic,
  type FastifyTrafficOptions,
  fastifyTraffic,
  nodeHttp,
  type Observed,
} from "./middleware.js";
export type { TrafficMatrixOptions } from "./options.js";
export type { MiddlewareOptions, RequestFigures } from "./request-recorder.js";
export { TrafficMatrix, type TrafficMatrixFigures } from "./traffic-matrix.js";
