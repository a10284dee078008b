/** Says what of a run the page does not have, and what therefore does not count in it. */

import { NONE } from "./binary.js";
import { counted, grouped } from "./dom.js";
import { moment } from "./times.js";

/** @typedef {import("./run.js").Run} Run */

const UNSEEN = "Filters by text and by value do not see them";

/**
 * Sentences; none if the page has everything.
 * @param {Run} run
 */
export function missing(run) {
  const { messages, operations, events } = run;
  const bodies = first(messages.size);
  const values = Math.min(first(operations.asked), first(operations.got));
  const lines = first(events.size);
  const parts = [
    part(messages.count - bodies, "bodies of messages", messages.sent[bodies]),
    part(operations.count - values, "values of operations", operations.began[values]),
    part(events.count - lines, "lines of logs", events.time[lines]),
  ].filter((part) => part !== "");
  const text = `The run has more text than a page can hold: ${parts.join(", ")} are left out here.`;
  const long = counted(messages.long.size, "message");
  const lost = run.gaps.reduce((sum, gap) => sum + gap[1], 0);
  const unheard = run.gaps.reduce((sum, gap) => sum + gap[2], 0);
  const more = "the limit of the trace is --trace-limit";
  return [
    parts.length > 0 && `${text} ${UNSEEN}; the trace beside the page has them.`,
    messages.long.size > 0 &&
      `The trace has no bodies of ${long}, because they are long. ${UNSEEN}.`,
    lost > 0 && `The trace leaves out ${counted(lost, "message")}: ${more}.`,
    unheard > 0 && `The trace leaves out ${grouped(unheard)} lines that nodes logged: ${more}.`,
  ].filter((sentence) => sentence !== false);
}

/**
 * Why findings have no why, if that may be for want of messages.
 * @param {Run} run
 */
export function untold(run) {
  const count = run.findings.filter(({ span }) => span === null).length;
  const lost = run.gaps.reduce((sum, gap) => sum + gap[1], 0);
  if (count === 0 || lost === 0) return "";
  const some = `Why is not told of ${counted(count, "finding")}`;
  return `${some}: the trace leaves out ${counted(lost, "message")}, and --trace-limit would keep more.`;
}

/**
 * Where texts end that the page has.
 * @param {Uint32Array} sizes
 */
function first(sizes) {
  const at = sizes.indexOf(NONE);
  return at < 0 ? sizes.length : at;
}

/**
 * @param {number} count
 * @param {string} what
 * @param {number} from
 */
function part(count, what, from) {
  return count === 0 ? "" : `${grouped(count)} ${what} from ${moment(from)} on`;
}
