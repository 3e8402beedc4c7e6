/** Colours of the plots: one set of classes, two sets of values, told apart by the reader's colour scheme. */

export const THEMES = ["auto", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

interface Palette {
  background: string;
  ink: string;
  muted: string;
  grid: string;
  /** Series, told apart by lightness too. */
  series: readonly [string, string, string];
  alert: string;
  /** Steps of density, least to most. */
  heat: readonly string[];
}

const LIGHT: Palette = {
  background: "#ffffff",
  ink: "#1c2733",
  muted: "#55626f",
  grid: "#e2e7ec",
  series: ["#1f5fa8", "#c25a0c", "#1a8a63"],
  alert: "#c4183c",
  heat: ["#d5eac4", "#a9d9b3", "#78c4a6", "#4aa7a0", "#308597", "#2a638a", "#264474", "#182652"],
};

const DARK: Palette = {
  background: "#12171d",
  ink: "#e8ecf0",
  muted: "#a0acb8",
  grid: "#2a323b",
  series: ["#6fb4f7", "#f79a4b", "#58cf9f"],
  alert: "#ff6f86",
  heat: ["#25406a", "#2a5c80", "#2f7a94", "#3d989c", "#5db49c", "#8fce9f", "#c4e5ab", "#f5f8c6"],
};

/** How many steps of density there are: classes h0, h1, ... */
export const HEAT_STEPS = LIGHT.heat.length;

const FONT = "DejaVu Sans,Noto Sans,Liberation Sans,Verdana,Arial,Helvetica,sans-serif";

/** The style sheet of a plot. auto: light, and dark where the reader prefers that. */
export function styleSheet(theme: Theme): string {
  const colours = theme === "dark" ? rules(DARK) : rules(LIGHT);
  const other = theme === "auto" ? `@media (prefers-color-scheme:dark){${rules(DARK)}}` : "";
  return `${SHAPES}${colours}${other}`;
}

const SHAPES =
  `text{font-family:${FONT};font-size:12px}.title{font-size:17px;font-weight:bold}.head{font-size:13px;font-weight:bold}` +
  ".grid,.axis,.line,.fit{fill:none}.axis{stroke-width:1}.line{stroke-width:1.6;stroke-linejoin:round}" +
  ".fit{stroke-width:2;stroke-dasharray:6 4}.dots{fill:none;stroke-width:4;stroke-linecap:round;stroke-opacity:.45}";

function rules({ background, ink, muted, grid, series, alert, heat }: Palette): string {
  const numbered = series.map(
    (colour, k) => `.s${k}{fill:${colour}}.line.s${k}{fill:none;stroke:${colour}}.d${k}{stroke:${colour}}`,
  );
  return [
    `.bg{fill:${background}}.title,.head,.ink{fill:${ink}}.note{fill:${muted}}`,
    `.grid{stroke:${grid}}.axis{stroke:${muted}}.dn{stroke:${muted}}.line.lost{stroke:${alert}}.fit.ink{fill:none;stroke:${ink}}`,
    ...numbered,
    ...heat.map((colour, k) => `.h${k}{fill:${colour}}`),
  ].join("");
}
