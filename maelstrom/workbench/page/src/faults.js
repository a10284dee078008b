/** Says whom a fault hit, in words and for each place. */

/** @typedef {import("./run.js").Run} Run */
/** @typedef {import("./run.js").Fault} Fault */

/** How many links are named one by one. */
const NAMED = 6;

/**
 * The same function, which works out a result once: a picture asks for it with each frame.
 * @template T
 * @param {(run: Run, fault: Fault, node: number) => T} work
 * @returns {(run: Run, fault: Fault, node?: number) => T}
 */
function once(work) {
  /** @type {WeakMap<Fault, Map<number, T>>} */
  const known = new WeakMap();
  return (run, fault, node = -1) => {
    const results = known.get(fault) ?? new Map();
    known.set(fault, results);
    if (!results.has(node)) results.set(node, work(run, fault, node));
    return /** @type {T} */ (results.get(node));
  };
}

/**
 * The nodes that can still hear each other while links are cut, group by group; one group if
 * nobody is cut off in both directions.
 */
export const groups = once(findGroups);

/** In words. */
export const describe = once(inWords);

/** How strongly each place is hit, from 0 to 1, and on which side of a cut it is. */
export const hit = once(findHit);

/**
 * @param {Run} run
 * @param {Fault} fault
 */
function findGroups(run, fault) {
  const isCut = cuts(fault);
  /** @type {number[][]} */
  const found = [];
  run.places.forEach((place, node) => {
    if (place.kind !== "node") return;
    const near = found.filter((group) =>
      group.some((other) => !isCut(node, other) || !isCut(other, node)),
    );
    const rest = found.filter((group) => !near.includes(group));
    found.length = 0;
    found.push(...rest, [...near.flat(), node]);
  });
  return found.map((group) => group.sort((a, b) => a - b)).sort((a, b) => a[0] - b[0]);
}

/** @param {Fault} fault */
function cuts(fault) {
  const cut = new Set(fault.links.map(([from, to]) => `${from} ${to}`));
  return (/** @type {number} */ from, /** @type {number} */ to) => cut.has(`${from} ${to}`);
}

/**
 * @param {Run} run
 * @param {Fault} fault
 */
function inWords(run, fault) {
  const name = (/** @type {number} */ place) => run.places[place].name;
  if (fault.links.length === 0) {
    const names = fault.nodes.map(name).join(" ");
    // A minority of two nodes, for instance, is nobody.
    return `${fault.fault}: ${names || (fault.everywhere ? "every link" : "hits nobody this time")}`;
  }
  const parts = fault.fault === "slow" ? [] : groups(run, fault);
  if (parts.length > 1) {
    return `${fault.fault}: ${parts.map((part) => part.map(name).join(" ")).join(" | ")}`;
  }
  const links = fault.links.map(([from, to]) => `${name(from)}→${name(to)}`);
  const more = links.length > NAMED ? ` and ${links.length - NAMED} more links` : "";
  return `${fault.fault}: ${links.slice(0, NAMED).join(" ")}${more}`;
}

/**
 * @param {Run} run
 * @param {Fault} fault
 * @param {number} node only links from and to this place count, if it is one
 * @returns {{place: number, strength: number, side: number}[]}
 */
function findHit(run, fault, node) {
  if (fault.links.length === 0) {
    return fault.nodes.map((place) => ({ place, strength: 1, side: 0 }));
  }
  const links = node < 0 ? fault.links : fault.links.filter((link) => link.includes(node));
  const sides = groups(run, fault);
  const peers = Math.max(run.places.filter(({ kind }) => kind === "node").length - 1, 1);
  const counts = new Map();
  for (const place of links.flat()) counts.set(place, (counts.get(place) ?? 0) + 1);
  return [...counts].map(([place, count]) => ({
    place,
    strength: node < 0 ? Math.min(1, count / (2 * peers)) : 1,
    side: sides.length > 1 ? sides.findIndex((group) => group.includes(place)) : 0,
  }));
}
