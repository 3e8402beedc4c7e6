import assert from "node:assert/strict";
import { test } from "node:test";
import { degreePlot, degreeSvg } from "../../lib/plot/degree.js";
import { HEATMAP_AXES, heatmapPlot } from "../../lib/plot/heatmap.js";
import { heatmapSvg } from "../../lib/plot/heatmap-svg.js";
import { expectedCount, fitPowerLaw, hurwitzZeta } from "../../lib/plot/power-law.js";
import { linearScale, logScale, timeScale } from "../../lib/plot/scale.js";
import { THEMES } from "../../lib/plot/theme.js";
import { type TimelinePoint, timelineSvg } from "../../lib/plot/timeline.js";
import { Random } from "../pcap/fuzz.js";
import { checkSvg, type Link, listOf, skewedLinks, textsOf } from "./support.js";

const STYLE = { title: "A <test> & more", theme: "auto" } as const;
const sum = (numbers: Iterable<number>): number => [...numbers].reduce((total, value) => total + value, 0);

test("degree: counts sum to links, sources and destinations, and values times counts to packets and links", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const links = skewedLinks(seed, 1 + seed * 40);
    const [packets, fanOut, fanIn] = degreePlot(listOf(links, 70)).distributions;
    const weigh = ({ histogram: { values, counts } }: typeof packets & {}): number =>
      sum(values.map((value, at) => value * counts[at]!));
    assert.equal(sum(packets!.histogram.counts), links.length);
    assert.equal(sum(fanOut!.histogram.counts), new Set(links.map(([src]) => src)).size);
    assert.equal(sum(fanIn!.histogram.counts), new Set(links.map(([, dst]) => dst)).size);
    assert.equal(weigh(packets!), sum(links.map((link) => link[2])));
    assert.equal(weigh(fanOut!), links.length);
    assert.equal(weigh(fanIn!), links.length);
  }
});

test("heatmap: every link is in one block, whatever the axes", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const links = skewedLinks(seed, 1 + seed * 40);
    for (const axes of HEATMAP_AXES) {
      const plot = heatmapPlot(listOf(links, 70), 4, axes);
      assert.equal(sum(plot.blocks), links.length);
      assert.equal(plot.blocks.length, (plot.rows.edges.length - 1) * (plot.columns.edges.length - 1));
      checkSvg(heatmapSvg(plot, STYLE));
    }
  }
});

test("heatmap by rank: the source with most destinations is the first row; by address: blocks are CIDR", () => {
  const links: Link[] = [1, 2, 3, 4].map((dst) => [0x0a000009, 0xc0000200 + dst, 1]);
  links.push([0x0a000001, 0xc0000201, 5], [0x0a0000ff, 0xc00002f0, 5]);
  const byRank = heatmapPlot(listOf(links), 4, "rank");
  const columns = byRank.columns.edges.length - 1;
  assert.equal(sum(byRank.blocks.subarray(0, columns)), 4);
  const byAddress = heatmapPlot(listOf(links), 4, "address");
  assert.equal(byAddress.rows.prefix, 30);
  assert.deepEqual(byAddress.rows.labels.slice(0, 2), [
    { at: 0, label: "10.0.0.0" },
    { at: 8, label: "10.0.0.32" },
  ]);
  assert.equal(byAddress.blocks[2 * 64], 3);
});

test("power law: the exponent of drawn numbers is found, too few numbers have none", () => {
  assert.ok(Math.abs(hurwitzZeta(2, 1) - Math.PI ** 2 / 6) < 1e-10);
  assert.ok(Math.abs(hurwitzZeta(3.5, 7) - 0.003681929219641927) < 1e-12);
  const random = new Random(5);
  for (const alpha of [1.6, 2.2, 3]) {
    const counts = new Map<number, number>();
    for (let at = 0; at < 40_000; at++) {
      // Clauset et al., appendix D: rounding a continuous law from 9.5 on is a discrete one but for the smallest values.
      const uniform = (random.int(1 << 26) + 0.5) / (1 << 26);
      const value = Math.floor(9.5 * uniform ** (-1 / (alpha - 1)) + 0.5);
      counts.set(value, (counts.get(value) ?? 0) + 1);
    }
    const values = Float64Array.from(counts.keys()).sort();
    const fit = fitPowerLaw({ values, counts: values.map((value) => counts.get(value)!) })!;
    assert.ok(Math.abs(fit.alpha - alpha) < 0.03 + 4 * fit.error, `${alpha} was found as ${fit.alpha}`);
    const expected = expectedCount(fit, fit.xmin);
    assert.ok(Math.abs(expected / counts.get(fit.xmin)! - 1) < 0.5, `${expected}`);
  }
  assert.equal(fitPowerLaw({ values: Float64Array.of(3), counts: Float64Array.of(1e6) }), undefined);
  assert.equal(fitPowerLaw({ values: new Float64Array(0), counts: new Float64Array(0) }), undefined);
});

test("drawings have title, facts, axes with units, ticks and a legend, in every theme", () => {
  const list = listOf(skewedLinks(3, 2000));
  for (const theme of THEMES) {
    const style = { ...STYLE, theme };
    const degree = degreeSvg(degreePlot(list), style);
    const heatmap = heatmapSvg(heatmapPlot(list, 4, "rank"), style);
    const address = heatmapSvg(heatmapPlot(list, 4, "address"), style);
    for (const svg of [degree, heatmap, address]) {
      checkSvg(svg);
      assert.match(svg, /<title>A &lt;test&gt; &amp; more<\/title>/);
      assert.equal(svg.includes("prefers-color-scheme:dark"), theme === "auto");
      assert.equal(svg.includes(".bg{fill:#ffffff}"), theme !== "dark");
      assert.ok(svg.length < 100_000, `${svg.length} bytes`);
    }
    const wanted: [string, string[]][] = [
      [
        degree,
        [
          "Packets per link",
          "Fan-out per source",
          "Fan-in per destination",
          "how many have the value",
          "packets",
          "exact value",
          "1",
          "10",
        ],
      ],
      [heatmap, ["source, by rank of fan-out (1 = most destinations)", "share of pairs", "10", "100"]],
      [
        address,
        [
          "source address from 0.0.0.0, blocks of /6",
          "destination address from 0.0.0.0, blocks of /14",
          "links",
          "0.0.0.0",
          "128.0.0.0",
        ],
      ],
    ];
    for (const [svg, labels] of wanted) {
      for (const label of labels)
        assert.ok(textsOf(svg).includes(label), `${label} in ${textsOf(svg).join(" | ")}`);
    }
    assert.ok(textsOf(degree).some((label) => /^α = \d\.\d\d ± \d\.\d\d from \d+ on \(/.test(label)));
  }
});

test("timeline: gaps lift the pen, losses are drawn, a hundred thousand intervals stay a small file", () => {
  const svg = timelineSvg([pointAt(0), pointAt(1), pointAt(7), { ...pointAt(8), lost: 3 }], STYLE);
  checkSvg(svg);
  const lines = [...svg.matchAll(/class="line s0" d="(M[^"]*L[^"]*)"/g)].map(([, d]) => d!);
  assert.equal(lines.length, 4);
  for (const d of lines) assert.equal(d.split("M").length - 1, 2, d);
  for (const label of [
    "Packets",
    "Bytes",
    "lost",
    "links",
    "destinations of one source",
    "time (UTC)",
    "00:00:04",
  ]) {
    assert.ok(textsOf(svg).includes(label), `${label} in ${textsOf(svg).join(" | ")}`);
  }
  assert.ok(textsOf(svg).includes("4 intervals of 1 s, 1970-01-01 00:00:00 to 1970-01-01 00:00:09 UTC"));
  const long = timelineSvg(
    Array.from({ length: 100_000 }, (_, at) => pointAt(at)),
    STYLE,
  );
  checkSvg(long);
  assert.ok(long.length < 300_000, `${long.length} bytes`);
});

test("no link, one link, one interval: a picture that says so, without a NaN", () => {
  for (const links of [[], [[1, 2, 3]]] as Link[][]) {
    for (const svg of [
      degreeSvg(degreePlot(listOf(links)), STYLE),
      ...HEATMAP_AXES.map((axes) => heatmapSvg(heatmapPlot(listOf(links), 4, axes), STYLE)),
    ]) {
      checkSvg(svg);
      assert.equal(/no links/.test(svg), links.length === 0);
    }
  }
  checkSvg(timelineSvg([pointAt(3)], STYLE));
  checkSvg(timelineSvg([{ ...pointAt(3), end: pointAt(3).start }], STYLE));
  assert.match(timelineSvg([], STYLE), /no interval/);
});

test("scales: ticks are round, inside, and not too many, over all magnitudes", () => {
  for (let power = -3; power <= 18; power++) {
    for (const factor of [1, 1.7, 4.2, 9.99]) {
      const high = factor * 10 ** power;
      // Milliseconds: of what 64 bits of nanoseconds can say.
      const times = high >= 5 && high < 2e13 ? [timeScale([0, high], [0, 100])] : [];
      const numbers = [linearScale([0, high], [100, 0]), logScale([1e-3, Math.max(high, 1e-2)], [100, 0])];
      for (const scale of [...numbers, ...times]) {
        assert.ok(scale.ticks.length >= 1 && scale.ticks.length <= 12, `${scale.ticks.length} to ${high}`);
        for (const { at } of scale.ticks)
          assert.ok(scale(at) > -0.01 && scale(at) < 100.01, `${at} to ${high}`);
      }
      for (const { ticks } of numbers) {
        const labels = ticks.map(({ label }) => label);
        assert.equal(new Set(labels).size, labels.length, labels.join(" "));
      }
    }
  }
});

function pointAt(second: number): TimelinePoint {
  const start = BigInt(second) * 1_000_000_000n;
  const counts = { packets: second % 90, bytes: 60 * (second % 70), links: 5, sources: 2, destinations: 4 };
  return { start, end: start + 1_000_000_000n, lost: 0, ...counts, max_fan_out: 3, max_fan_in: 2 };
}
