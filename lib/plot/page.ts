/** The sheet a plot is drawn on: title, facts, background, and the axes of a rectangle. */
import type { Scale } from "./scale.js";
import { element, escaped, line, text, upwards } from "./svg.js";
import { styleSheet, type Theme } from "./theme.js";

export interface Frame {
  left: number;
  top: number;
  width: number;
  height: number;
}

export interface Sheet {
  width: number;
  height: number;
  title: string;
  /** A line below the title: what was measured. */
  facts: string;
  theme: Theme;
}

/** Px that the title and the facts take. */
export const HEAD_HEIGHT = 62;
export const MARGIN = 24;

export function page({ width, height, title, facts, theme }: Sheet, body: readonly string[]): string {
  const parts = [
    `<title>${escaped(title)}</title>`,
    `<desc>${escaped(facts)}</desc>`,
    `<style>${styleSheet(theme)}</style>`,
    element("rect", { class: "bg", width, height }),
    text(MARGIN, 32, title, { class: "title" }),
    text(MARGIN, 52, facts, { class: "note" }),
    ...body,
  ];
  const attributes = {
    xmlns: "http://www.w3.org/2000/svg",
    width,
    height,
    viewBox: `0 0 ${width} ${height}`,
    role: "img",
  };
  return `${element("svg", attributes, ...parts.map((part) => `\n${part}`), "\n")}\n`;
}

/** A sheet that says why there is nothing to see. */
export const emptyPage = (sheet: Omit<Sheet, "width" | "height">, reason: string): string =>
  page({ ...sheet, width: 960, height: 240 }, [text(480, 140, reason, { class: "head", anchor: "middle" })]);

/** Grid lines, ticks and labels of a horizontal axis below its frame. */
export function bottomAxis(frame: Frame, scale: Scale, label: string): string[] {
  const bottom = frame.top + frame.height;
  const marks = scale.ticks.flatMap(({ at, label: name }) => {
    const x = scale(at);
    return [
      line(x, frame.top, x, bottom, "grid"),
      text(x, bottom + 17, name, { class: "note", anchor: "middle" }),
    ];
  });
  const middle = frame.left + frame.width / 2;
  return [
    ...marks,
    line(frame.left, bottom, frame.left + frame.width, bottom, "axis"),
    ...(label === "" ? [] : [text(middle, bottom + 37, label, { class: "ink", anchor: "middle" })]),
  ];
}

/** The same of a vertical axis, left of its frame; `room` is the distance of its label. */
export function leftAxis(frame: Frame, scale: Scale, label: string, room = 46): string[] {
  const marks = scale.ticks.flatMap(({ at, label: name }) => {
    const y = scale(at);
    return [
      line(frame.left, y, frame.left + frame.width, y, "grid"),
      text(frame.left - 7, y + 4, name, { class: "note", anchor: "end" }),
    ];
  });
  return [
    ...marks,
    line(frame.left, frame.top, frame.left, frame.top + frame.height, "axis"),
    ...(label === "" ? [] : [upwards(frame.left - room, frame.top + frame.height / 2, label, "ink")]),
  ];
}
