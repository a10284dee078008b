/** The colours of the diagram, as the style sheet has them for dark, light and paper. */

/** @typedef {import("./run.js").Run} Run */

const NAMES = /** @type {const} */ ([
  "text",
  "faint",
  "line",
  "page",
  "good",
  "bad",
  "doubt",
  "fault",
  "mark",
]);
/** How many kinds of messages, and of operations, have a colour of their own. */
export const SERIES = 6;

/**
 * @typedef {Record<typeof NAMES[number], string> & {series: string[]}} Colors
 */

/** @returns {Colors} */
export function colors() {
  const style = getComputedStyle(document.documentElement);
  const value = (/** @type {string} */ name) => style.getPropertyValue(`--${name}`).trim();
  const named = Object.fromEntries(NAMES.map((name) => [name, value(name)]));
  const series = Array.from({ length: SERIES }, (_, i) => value(`series-${i}`));
  return /** @type {Colors} */ ({ ...named, series });
}

/**
 * Black or white: what can be read on a colour.
 * @param {string} color as `#rrggbb`
 */
export function ink(color) {
  const [red, green, blue] = [1, 3, 5].map((at) => Number.parseInt(color.slice(at, at + 2), 16));
  // Where both have the same contrast, by the weights and the curve of sRGB.
  const light = 0.2126 * red ** 2.2 + 0.7152 * green ** 2.2 + 0.0722 * blue ** 2.2;
  return light > 0.179 * 255 ** 2.2 ? "#000" : "#fff";
}

/**
 * The number of the colour of each kind of message: the most frequent between nodes and services
 * have one of their own, all others have none, which is -1.
 * @param {Run} run
 */
export function colorsOfTypes(run) {
  const { from, to, type, count } = run.messages;
  const isClient = run.places.map((place) => place.kind === "client");
  const counts = run.types.map((_, type) => ({ type, count: 0 }));
  for (let i = 0; i < count; i++) {
    if (!isClient[from[i]] && !isClient[to[i]]) counts[type[i]].count++;
  }
  const ranked = counts.filter(({ count }) => count > 0).sort((a, b) => b.count - a.count);
  const numbers = new Int32Array(run.types.length).fill(-1);
  ranked.slice(0, SERIES).forEach(({ type }, i) => {
    numbers[type] = i;
  });
  return numbers;
}
