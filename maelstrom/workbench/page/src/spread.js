/**
 * Which messages carried a value, and who knew it when.
 *
 * The bench has worked out who knew it: the page asks that, and has no rule of its own. A message
 * carries a value if it stands in it, and its sender knew it already. Of a value that no client
 * told, nobody is known to know it: then every message in which it stands is shown.
 */

/** @typedef {import("./run.js").Run} Run */
/** @typedef {Map<number, import("./run.js").Since>} Known since when each place knew it */

/**
 * @param {Run} run
 * @param {string} value in JSON
 * @param {Uint8Array} found messages in which the value stands; those that do not carry it are
 *     taken out
 * @returns {Known | null} none if the bench says nothing of the value
 */
export function spread(run, value, found) {
  const number = numberOf(run.knowledge.numbers, value);
  if (number === undefined) return null;
  const known = run.knowledge.known(number);
  const told = new Set(run.knowledge.told(number));
  const { from, count } = run.messages;
  const isClient = run.places.map((place) => place.kind === "client");
  for (let i = 0; i < count; i++) {
    if (!found[i]) continue;
    const isCarrier = isClient[from[i]] ? told.has(i) : (known.get(from[i])?.row ?? count) <= i;
    if (!isCarrier) found[i] = 0;
  }
  return known;
}

/**
 * @param {Map<string, number>} numbers
 * @param {string} value
 */
function numberOf(numbers, value) {
  const number = numbers.get(value);
  if (number !== undefined) return number;
  try {
    return numbers.get(JSON.stringify(JSON.parse(value)));
  } catch {
    return undefined;
  }
}
