/** Pieces of SVG as text. Coordinates are px to a tenth; everything from outside is escaped. */

export type Attributes = Record<string, string | number | undefined>;

/** An element; children are SVG already. */
export function element(name: string, attributes: Attributes, ...children: string[]): string {
  const list = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}="${typeof value === "number" ? px(value) : escaped(value!)}"`)
    .join("");
  return children.length === 0 ? `<${name}${list}/>` : `<${name}${list}>${children.join("")}</${name}>`;
}

export type Anchor = "start" | "middle" | "end";

export const text = (
  x: number,
  y: number,
  content: string,
  style: { class: string; anchor?: Anchor; transform?: string },
): string =>
  element(
    "text",
    {
      x,
      y,
      class: style.class,
      "text-anchor": style.anchor === "start" ? undefined : style.anchor,
      transform: style.transform,
    },
    escaped(content),
  );

/** Text that reads upwards, centred on (x, y): the label of a vertical axis. */
export const upwards = (x: number, y: number, content: string, className: string): string =>
  text(x, y, content, { class: className, anchor: "middle", transform: `rotate(-90 ${px(x)} ${px(y)})` });

export const line = (x1: number, y1: number, x2: number, y2: number, className: string): string =>
  element("path", { class: className, d: `M${px(x1)} ${px(y1)}L${px(x2)} ${px(y2)}` });

/** A path through points; undefined lifts the pen. */
export function polyline(points: readonly ([x: number, y: number] | undefined)[]): string {
  let path = "";
  let down = false;
  for (const point of points) {
    if (point !== undefined) path += `${down ? "L" : "M"}${px(point[0])} ${px(point[1])}`;
    down = point !== undefined;
  }
  return path;
}

export const px = (value: number): string => String(Math.round(value * 10) / 10);

export const escaped = (content: string): string =>
  content.replaceAll(
    /[&<>"]|[^\t\n\r -\uffff]/g,
    (character) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[character] ?? "\ufffd",
  );
