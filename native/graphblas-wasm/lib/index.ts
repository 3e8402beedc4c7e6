/// <reference lib="esnext.disposable" preserve="true" />
// graphblas-wasm: hypersparse GraphBLAS in C, compiled to WebAssembly.
export type { ModuleSource } from "./engine.js";
export { GrBError, INFO, type Info } from "./errors.js";
export { GraphBLAS, type LoadOptions, load, loadSync } from "./graphblas.js";
export type { IndexSet } from "./indexset.js";
export { Matrix } from "./matrix.js";
export { addPlanes, quantitiesOfPlanes, type ResultType, serializePlanes, sharePattern } from "./planes.js";
export { Scalar } from "./scalar.js";
export type {
  AnyType,
  AnyValues,
  ArrayOf,
  BinaryOp,
  HyperCSR,
  IndexSelectOp,
  Indices,
  Quantities,
  ReduceOp,
  ScalarOf,
  ScalarValue,
  SelectOp,
  Semiring,
  SerializeOptions,
  Tuples,
  TypeName,
  UnaryOp,
  ValueSelectOp,
  Values,
} from "./types.js";
export { Vector } from "./vector.js";
export type { TypedOptions, WriteOptions } from "./write.js";
