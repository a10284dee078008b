/** Messages by type and by link, as tables. */

import { button, counted, grouped, heads, make } from "./dom.js";
import { DROPPED } from "./run.js";
import { known } from "./texts.js";

/** @typedef {import("./run.js").Run} Run */
/** @typedef {{count: number, dropped: number, bytes: number}} Sum */

const COLUMNS = /** @type {const} */ ([
  ["Type", "The type that the body of the message names. Press one to see only its messages."],
  ["Messages", "How many were sent; one that was received twice counts twice."],
  ["Dropped", "How many of them did not arrive because a fault dropped them."],
  ["Bytes each", "How long their bodies are on average."],
]);
const TOO_MANY =
  "Too many nodes for a table: choose a node above the diagram to see what it sends and receives.";
/** Up to how many places there is a table of links. */
const MOST_PLACES = 40;

/**
 * @param {Run} run
 * @param {(change: {type?: string, node?: string}) => void} change
 */
export function traffic(run, change) {
  const { byType, byLink } = sums(run);
  return make(
    "section",
    { class: "traffic" },
    make("h2", {}, "Messages by type"),
    types(run, byType, change),
    make("h2", {}, "Messages by link"),
    links(run, byLink, change),
  );
}

/** @param {Run} run */
function sums(run) {
  const { type, from, to, fate, size, long, count } = run.messages;
  const zero = () => ({ count: 0, dropped: 0, bytes: 0 });
  /** @type {Sum[]} */
  const byType = run.types.map(zero);
  /** @type {Map<number, Sum>} */
  const byLink = new Map();
  for (let i = 0; i < count; i++) {
    const link = from[i] * run.places.length + to[i];
    const sum = byLink.get(link) ?? zero();
    byLink.set(link, sum);
    for (const each of [byType[type[i]], sum]) {
      each.count++;
      each.bytes += long.get(i) ?? known(size[i]);
      if (fate[i] >= DROPPED) each.dropped++;
    }
  }
  return { byType, byLink };
}

/**
 * @param {Run} run
 * @param {Sum[]} byType
 * @param {(change: {type: string}) => void} change
 */
function types(run, byType, change) {
  const most = byType.reduce((most, { count }) => Math.max(most, count), 1);
  const order = run.types.map((_, type) => type).sort((a, b) => byType[b].count - byType[a].count);
  const rows = order.map((type) => {
    const { count, dropped, bytes } = byType[type];
    const bar = make("i", { class: "share", style: `width: ${(100 * count) / most}%` });
    const name = button(run.types[type], () => change({ type: run.types[type] }));
    const cells = [grouped(count), grouped(dropped), grouped(Math.round(bytes / count))];
    const numbers = cells.map((cell) => make("td", {}, cell));
    return make("tr", {}, make("td", {}, name), ...numbers, make("td", { class: "wide" }, bar));
  });
  const head = make("tr", {}, ...heads(COLUMNS), make("th"));
  return make("div", { class: "sideways" }, make("table", {}, head, ...rows));
}

/**
 * Who sends to whom: rows send, columns receive. Clients are one row and one column.
 * @param {Run} run
 * @param {Map<number, Sum>} byLink
 * @param {(change: {node: string}) => void} change
 */
function links(run, byLink, change) {
  const clients = run.places.length;
  const of = (/** @type {number} */ place) =>
    run.places[place].kind === "client" ? clients : place;
  /** @type {Map<string, Sum>} */
  const cells = new Map();
  for (const [link, sum] of byLink) {
    const [from, to] = [Math.floor(link / run.places.length), link % run.places.length];
    const key = `${of(from)} ${of(to)}`;
    const { count, dropped, bytes } = cells.get(key) ?? { count: 0, dropped: 0, bytes: 0 };
    cells.set(key, {
      count: count + sum.count,
      dropped: dropped + sum.dropped,
      bytes: bytes + sum.bytes,
    });
  }
  const places = run.places.flatMap((place, i) => (place.kind === "client" ? [] : [i]));
  if (places.length > MOST_PLACES) return make("p", {}, TOO_MANY);
  return matrix(run, [...places, clients], cells, change);
}

/**
 * @param {Run} run
 * @param {number[]} places
 * @param {Map<string, Sum>} cells
 * @param {(change: {node: string}) => void} change
 */
function matrix(run, places, cells, change) {
  const most = [...cells.values()].reduce((most, { count }) => Math.max(most, count), 1);
  const name = (/** @type {number} */ place) => run.places[place]?.name ?? "clients";
  const head = (/** @type {number} */ place) =>
    place < run.places.length
      ? button(name(place), () => change({ node: name(place) }))
      : name(place);
  const row = (/** @type {number} */ from) =>
    make(
      "tr",
      {},
      make("th", {}, head(from)),
      ...places.map((to) => cell(cells.get(`${from} ${to}`), most, `${name(from)} → ${name(to)}`)),
    );
  const heads = places.map((place) => make("th", {}, head(place)));
  const table = make("table", { class: "matrix" }, make("tr", {}, make("th"), ...heads));
  table.append(...places.map(row));
  return make("div", { class: "sideways" }, table);
}

/**
 * @param {Sum | undefined} sum
 * @param {number} most
 * @param {string} link
 */
function cell(sum, most, link) {
  if (!sum) return make("td");
  const share = Math.sqrt(sum.count / most);
  const dropped = sum.dropped > 0 ? `, ${grouped(sum.dropped)} dropped` : "";
  const style = `--share: ${Math.round(share * 70)}%`;
  const title = `${link}: ${counted(sum.count, "message")}, ${counted(sum.bytes, "byte")}${dropped}`;
  const attributes = { style, title, class: sum.dropped > 0 ? "lossy" : "" };
  return make("td", attributes, grouped(sum.count));
}
