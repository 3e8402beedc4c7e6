// graphblas-wasm: hypersparse GraphBLAS in C, compiled to WebAssembly.
export { GrBError, INFO, type Info } from "./errors.js";
export { GraphBLAS, type LoadOptions, load, loadSync } from "./graphblas.js";
export { Matrix } from "./matrix.js";
export { addPlanes, quantitiesOfPlanes, type ResultType, serializePlanes } from "./planes.js";
export type {
  BinaryOp,
  HyperCSR,
  Indices,
  Quantities,
  ReduceOp,
  SerializeOptions,
  Tuples,
  TypeName,
  Values,
} from "./types.js";
export { Vector } from "./vector.js";
