// Types, scalars, Matrix Market and the refusals of the algebra, by hand.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type AnyType, loadSync, Scalar } from "../lib/index.js";

const longs = (...values: number[]) => BigUint64Array.from(values, BigInt);
const gb = loadSync();

describe("scalars", () => {
  it("hold one value of their type, or none", () => {
    const s = new Scalar("INT64");
    assert.equal(s.nvals, 0);
    assert.equal(s.extractElement(), undefined);
    s.setElement(-5);
    assert.deepEqual([s.nvals, s.extractElement()], [1, -5n]);
    s.clear();
    assert.equal(s.nvals, 0);
    assert.equal(new Scalar("FP64", 0.1).extractElement(), 0.1);
    assert.equal(new Scalar("BOOL", 7).extractElement(), true);
  });

  it("do not take what does not fit", () => {
    for (const [type, value] of [
      ["UINT32", -1],
      ["UINT32", 2 ** 32],
      ["UINT64", 1n << 64n],
      ["INT64", 1n << 63n],
      ["INT64", 0.5],
    ] as [AnyType, number | bigint][])
      assert.throws(() => new Scalar(type, value), { info: "GrB_DOMAIN_MISMATCH" }, `${type} ${value}`);
  });

  it("an empty one assigns nothing, and binds to no operator", () => {
    using A = gb.build("FP64", 3n, 3n, longs(0, 1, 2), longs(0, 1, 2), 1.5);
    using B = A.assign(new Scalar("FP64"), [1], "all");
    assert.deepEqual(
      [...B],
      [...A].filter(([row]) => row !== 1n),
    );
    assert.throws(() => A.applyFirst("plus", new Scalar("FP64")), { info: "GrB_EMPTY_OBJECT" });
  });
});

describe("casts", () => {
  it("wrap integers, truncate and saturate FP64", () => {
    const X = Float64Array.of(-1.5, 2.9, 1e300, Number.NaN, -0, 2 ** 53);
    using A = gb.build("FP64", 1n, 9n, longs(0, 0, 0, 0, 0, 0), longs(0, 1, 2, 3, 4, 5), X);
    const cast = (type: AnyType) => {
      using C = A.cast(type);
      return Array.from(C.extractTuples().X, String);
    };
    assert.deepEqual(cast("INT64"), ["-1", "2", String((1n << 63n) - 1n), "0", "0", String(2 ** 53)]);
    assert.deepEqual(cast("UINT32"), ["0", "2", "4294967295", "0", "0", "4294967295"]);
    assert.deepEqual(cast("BOOL"), ["1", "1", "1", "1", "0", "1"]);
    using negative = gb.build("INT64", 1n, 1n, longs(0), longs(0), -1n);
    using wrapped = negative.cast("UINT64");
    assert.equal(wrapped.extractElement(0, 0), (1n << 64n) - 1n);
  });

  it("identities of empty matrices", () => {
    using A = gb.matrix("INT64", 2n, 2n);
    using F = gb.matrix("FP64", 2n, 2n);
    assert.deepEqual(
      [A.reduce("plus"), A.reduce("times"), A.reduce("land"), A.reduce("lor")],
      [0n, 1n, true, false],
    );
    assert.deepEqual([A.reduce("min"), A.reduce("max")], [(1n << 63n) - 1n, -(1n << 63n)]);
    assert.deepEqual([F.reduce("min"), F.reduce("max"), F.reduce("count")], [Infinity, -Infinity, 0n]);
  });

  it("top orders negative values and fractions", () => {
    using A = gb.build("FP64", 1n, 9n, longs(0, 0, 0), longs(1, 2, 3), Float64Array.of(-1, 0.5, -2));
    assert.deepEqual(A.top(2).values, Float64Array.of(0.5, -1));
    using B = gb.build("INT64", 1n, 9n, longs(0, 0), longs(1, 2), BigInt64Array.of(-9n, -3n));
    assert.deepEqual(B.top(1).values, BigInt64Array.of(-3n));
    assert.throws(() => B.quantities(), { info: "GrB_DOMAIN_MISMATCH" });
  });
});

describe("refusals", () => {
  using A = gb.build("UINT64", 4n, 5n, longs(0, 1), longs(1, 2), 1);
  const matrix = A.dup();
  const cases: [string, string, () => unknown][] = [
    ["eWiseMult dimensions", "GrB_DIMENSION_MISMATCH", () => matrix.eWiseMult(gb.matrix("UINT64", 4n, 4n))],
    ["mask dimensions", "GrB_DIMENSION_MISMATCH", () => matrix.transpose({ mask: matrix })],
    ["mxm dimensions", "GrB_DIMENSION_MISMATCH", () => matrix.mxm(matrix)],
    ["mxv size", "GrB_DIMENSION_MISMATCH", () => matrix.mxv(gb.vector("UINT64", 4n))],
    ["semiring", "GrB_INVALID_VALUE", () => matrix.mxm(matrix, "plus_minus" as "plus_times")],
    ["unary operator", "GrB_INVALID_VALUE", () => matrix.apply("sqrt" as "abs")],
    ["select operator", "GrB_INVALID_VALUE", () => matrix.select("valueis" as "valueeq", 1)],
    ["accumulator", "GrB_INVALID_VALUE", () => matrix.apply("one", { into: matrix, accum: "div" as "plus" })],
    ["extract beyond", "GrB_INDEX_OUT_OF_BOUNDS", () => matrix.extract([0, 4], "all")],
    ["extract negative", "GrB_INDEX_OUT_OF_BOUNDS", () => matrix.extract([-1], "all")],
    ["extract range beyond", "GrB_INDEX_OUT_OF_BOUNDS", () => matrix.extract({ from: 0n, to: 5n }, "all")],
    ["extract nothing", "GrB_INVALID_VALUE", () => matrix.extract([], "all")],
    ["extract empty range", "GrB_INVALID_VALUE", () => matrix.extract({ from: 2n, to: 2n }, "all")],
    ["assign twice", "GrB_INVALID_VALUE", () => matrix.assign(matrix, [0, 1, 1, 2], "all")],
    ["assign size", "GrB_DIMENSION_MISMATCH", () => matrix.assign(matrix, [0, 1], "all")],
    ["assign too much", "GrB_OUT_OF_MEMORY", () => gb.matrix("BOOL", 1n << 60n, 1n << 60n).assign(true)],
    [
      "kronecker beyond",
      "GrB_INVALID_VALUE",
      () => gb.matrix("BOOL", 1n << 40n, 2n).kronecker(gb.matrix("BOOL", 1n << 30n, 2n)),
    ],
    ["diagonal", "GrB_INVALID_VALUE", () => matrix.diag(5)],
    ["other instance", "GrB_INVALID_VALUE", () => matrix.mxm(loadSync().matrix("UINT64", 5n, 5n))],
  ];
  for (const [name, info, work] of cases)
    it(`${name}: ${info}`, () => assert.throws(work, { name: "GrBError", info }));
});

describe("Matrix Market", () => {
  const tuples = (text: string) =>
    [...gb.readMatrixMarket(text)].map(([i, j, x]) => [Number(i), Number(j), Number(x)]);
  const head = (rest: string) => `%%MatrixMarket matrix ${rest}\n`;

  it("reads every format, field and symmetry", () => {
    assert.deepEqual(tuples(`${head("coordinate real general")}% words\n2 3 2\n1 3 -1.5e2\n\n2 1 4\r\n`), [
      [0, 2, -150],
      [1, 0, 4],
    ]);
    assert.deepEqual(tuples(`${head("coordinate pattern symmetric")}2 2 2\n1 1\n2 1\n`), [
      [0, 0, 1],
      [0, 1, 1],
      [1, 0, 1],
    ]);
    assert.deepEqual(tuples(`${head("coordinate integer skew-symmetric")}2 2 1\n2 1 7\n`), [
      [0, 1, -7],
      [1, 0, 7],
    ]);
    assert.deepEqual(tuples(`${head("array real general")}2 2\n1\n2\n3\n4\n`), [
      [0, 0, 1],
      [0, 1, 3],
      [1, 0, 2],
      [1, 1, 4],
    ]);
    assert.deepEqual(tuples(`${head("array integer symmetric")}2 2\n1\n2\n3\n`), [
      [0, 0, 1],
      [0, 1, 2],
      [1, 0, 2],
      [1, 1, 3],
    ]);
    assert.deepEqual(tuples(`${head("array integer skew-symmetric")}3 3\n1\n2\n3\n`), [
      [0, 1, -1],
      [0, 2, -2],
      [1, 0, 1],
      [1, 2, -3],
      [2, 0, 2],
      [2, 1, 3],
    ]);
    using typed = gb.readMatrixMarket(
      `${head("coordinate integer general")}%%GraphBLAS type uint64_t\n1 1 1\n1 1 18446744073709551615\n`,
    );
    assert.deepEqual([typed.type, typed.extractElement(0, 0)], ["UINT64", 18446744073709551615n]);
  });

  it("refuses what is damaged, and says where", () => {
    const damaged: [string, RegExp][] = [
      ["", /line 1/],
      ["%%MatrixMarket vector\n", /line 1/],
      [head("coordinate complex general"), /line 1: field complex/],
      [`${head("coordinate real general")}2 2\n`, /line 2: nothing/],
      [`${head("coordinate real general")}0 2 0\n`, /line 2: 0 is not/],
      [`${head("coordinate real general")}2 2 1\n3 1 1\n`, /line 3: 3 is not/],
      [`${head("coordinate real general")}2 2 1\n1 1 x\n`, /line 3: x is not/],
      [`${head("coordinate real general")}2 2 999999999999\n1 1 1\n`, /promises 999999999999/],
      [`${head("coordinate real general")}2 2 0\n1 1 1\n`, /line 3: there are more/],
      [`${head("array real general")}1000000000 1000000000\n1\n`, /promises/],
      [`${head("coordinate real symmetric")}2 3 0\n`, /not square/],
    ];
    for (const [text, message] of damaged)
      assert.throws(() => gb.readMatrixMarket(text), { info: "GrB_INVALID_OBJECT", message }, text);
    assert.throws(() => gb.readMatrixMarket(`${head("coordinate real general")}1 1 1\n1 1 0.5\n`, "INT64"), {
      info: "GrB_DOMAIN_MISMATCH",
    });
  });
});
