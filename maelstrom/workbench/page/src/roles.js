/**
 * Who led in which term, as nodes log it: as a band under each node's line, and as a table.
 *
 * A colour is a term: a node whose band has another colour than the others' does not know of
 * their term. Leaders have a thick band, followers a thin one.
 */

import { ink } from "./colors.js";
import { button, grouped, heads, make } from "./dom.js";
import { xOf, yOf } from "./scene.js";
import { duration, short } from "./times.js";

/** @typedef {import("./scene.js").Scene} Scene */
/** @typedef {import("./run.js").Run} Run */

/** How far below a line its band begins, in pixels. */
const BELOW = 4;
/** How high it is at most. */
const HIGH = { leader: 13, follower: 3, other: 6 };
/** From which width on a band says what it is. */
const LABELLED = 60;
const COLUMNS = /** @type {const} */ ([
  ["Term", "Terms count elections: each begins a new one, which has one leader at most."],
  ["Leader", "Who logged that it leads. Press it to see the time above."],
  ["From", "When it logged that it leads."],
  ["Until", "When it logged that it does not, was killed, or the run ended."],
  ["For", "How long it led."],
  ["Stood for election", "Who logged that it is a candidate in this term."],
]);
/** So many terms are listed. */
const LISTED = 200;

/** @param {Scene} scene */
export function drawRoles(scene) {
  const { roles } = scene.run;
  const ends = new Float64Array(scene.lanes.places.length);
  for (let held = 0; held < roles.count; held++) {
    const box = band(scene, held);
    if (!box) continue;
    const row = scene.lanes.rows[roles.place[held]];
    // What lies within the pixel of another would not be seen.
    if (Math.round(box.x + box.width) <= ends[row]) continue;
    ends[row] = Math.round(box.x + box.width);
    drawBand(scene, held, box);
  }
}

/**
 * Where a band is, if it is in view.
 * @param {Scene} scene
 * @param {number} held
 */
function band(scene, held) {
  const { from, to, place } = scene.run.roles;
  if (to[held] < scene.span.from || from[held] > scene.span.to) return null;
  if (scene.lanes.rows[place[held]] < 0) return null;
  const x = Math.max(xOf(scene, from[held]), scene.left);
  const width = Math.max(Math.min(xOf(scene, to[held]), scene.width) - x, 1);
  const room = scene.lanes.step / 2 - BELOW - 1;
  const height = Math.min(HIGH[kindOf(scene.run, held)], room);
  return { x, y: yOf(scene, place[held]) + BELOW, width, height };
}

/**
 * @param {Scene} scene
 * @param {number} held
 * @param {NonNullable<ReturnType<typeof band>>} box
 */
function drawBand(scene, held, box) {
  const { canvas, colors, run } = scene;
  const { term } = run.roles;
  const isOther = kindOf(run, held) === "other";
  const color = isOther ? colors.doubt : colors.series[term[held] % colors.series.length];
  canvas.fillStyle = color;
  canvas.fillRect(box.x, box.y, box.width, box.height);
  if (box.width < LABELLED || box.height < HIGH.leader) return;
  canvas.save();
  canvas.beginPath();
  canvas.rect(box.x, box.y, box.width, box.height);
  canvas.clip();
  canvas.fillStyle = ink(color);
  canvas.fillText(`leads term ${term[held]}`, box.x + 4, box.y + box.height / 2 + 0.5);
  canvas.restore();
}

/**
 * @param {Run} run
 * @param {number} held
 * @returns {keyof typeof HIGH}
 */
function kindOf(run, held) {
  const name = run.roleNames[run.roles.role[held]];
  return name === "leader" || name === "follower" ? name : "other";
}

/**
 * What the band under a pointer says.
 * @param {Scene} scene
 * @param {number} x
 * @param {number} y
 */
export function describeRole(scene, x, y) {
  const { run } = scene;
  const { count, from, to, place, term, role } = run.roles;
  for (let held = 0; held < count; held++) {
    const box = band(scene, held);
    if (!box || x < box.x || x > box.x + box.width || y < box.y || y > box.y + HIGH.other) continue;
    const [node, what] = [run.places[place[held]].name, run.roleNames[role[held]]];
    return `${node} is ${what} in term ${term[held]}, from ${short(from[held])} to ${short(to[held])}`;
  }
  return "";
}

/**
 * The terms in which somebody led or stood for election, in order.
 * @param {Run} run
 */
export function terms(run) {
  const { count, place, term } = run.roles;
  /** @type {Map<number, {leaders: number[], candidates: Set<number>}>} */
  const all = new Map();
  for (let held = 0; held < count; held++) {
    const role = run.roleNames[run.roles.role[held]];
    if (role !== "leader" && role !== "candidate") continue;
    const known = all.get(term[held]) ?? { leaders: [], candidates: new Set() };
    all.set(term[held], known);
    if (role === "leader") known.leaders.push(held);
    else known.candidates.add(place[held]);
  }
  return [...all]
    .sort(([a], [b]) => a - b)
    .map(([term, { leaders, candidates }]) => ({
      term,
      leaders,
      candidates: [...candidates].sort((a, b) => a - b),
    }));
}

/**
 * @param {Run} run
 * @param {(change: {from: number, to: number}) => void} change
 */
export function termsTable(run, change) {
  const all = terms(run);
  const head = make("tr", {}, ...heads(COLUMNS));
  const rows = all.slice(0, LISTED).flatMap((term) => rowsOf(run, term, change));
  const more = all.length - LISTED;
  return make(
    "section",
    { class: "terms" },
    make("h2", {}, "Terms and leaders"),
    ...splits(run, all).map((text) => make("p", { class: "warning" }, text)),
    make("div", { class: "sideways" }, make("table", {}, head, ...rows)),
    make("p", { class: "note" }, more > 0 ? `… and ${grouped(more)} more terms. ${NOTE}` : NOTE),
  );
}

const NOTE = "As nodes log it: lines with role=… and term=… in them.";

/**
 * @param {Run} run
 * @param {ReturnType<typeof terms>[number]} term
 * @param {(change: {from: number, to: number}) => void} change
 */
function rowsOf(run, { term, leaders, candidates }, change) {
  const { from, to, place } = run.roles;
  const name = (/** @type {number} */ place) => run.places[place].name;
  const stood = candidates.map(name).join(" ");
  if (leaders.length === 0) return [row([`${term}`, "none", "", "", "", stood])];
  return leaders.map((held) => {
    const times = [short(from[held]), short(to[held]), duration(to[held] - from[held])];
    const margin = (to[held] - from[held]) / 10;
    const span = {
      from: Math.max(from[held] - margin, run.begin),
      to: Math.min(to[held] + margin, run.end),
    };
    const show = button(name(place[held]), () => change(span), "Show this time above");
    return row([`${term}`, show, ...times, stood]);
  });
}

/** @param {(Node | string)[]} cells */
function row(cells) {
  return make("tr", {}, ...cells.map((cell) => make("td", {}, cell)));
}

/**
 * Terms that more than one node led.
 * @param {Run} run
 * @param {ReturnType<typeof terms>} all
 */
function splits(run, all) {
  return all.flatMap(({ term, leaders }) => {
    const names = new Set(leaders.map((held) => run.places[run.roles.place[held]].name));
    return names.size < 2
      ? []
      : [`Term ${term} has ${names.size} leaders: ${[...names].sort().join(", ")}.`];
  });
}
