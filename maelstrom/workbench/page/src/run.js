/**
 * A run as the page knows it: places, messages, operations, faults.
 *
 * Times are microseconds on the history's clock, on which the test proper begins at 0. Messages
 * stand in the order in which they were sent, operations in the order in which they began. Both
 * are columns: a run may have half a million of them.
 */

import { addUp, NONE, readColumns, wide } from "./binary.js";
import { within } from "./times.js";

/** @typedef {{name: string, kind: "node" | "client" | "service"}} Place */

/**
 * @typedef {object} Messages
 * @property {number} count
 * @property {Uint32Array | Float64Array} id as the trace counts them; copies have the same
 * @property {Float64Array} sent
 * @property {Float64Array} ended when it was received or dropped; if neither happened, what is usual
 * @property {Uint32Array} from
 * @property {Uint32Array} to
 * @property {Uint32Array} type
 * @property {Uint32Array} fate {@link RECEIVED}, {@link UNDER_WAY}, or {@link DROPPED} and which cause
 * @property {Uint32Array} delay 0, or 1 more than the cause that held it up
 * @property {Uint32Array} size of its body, in bytes of text; {@link NONE} if the page lacks it
 * @property {Map<number, number>} long rows whose bodies the trace lacks, and how many bytes these
 *     had: their text is a header alone
 */

/**
 * @typedef {object} Operations
 * @property {number} count
 * @property {Float64Array} index of its invocation in the history
 * @property {Float64Array} completion index of its completion; the same if there is none
 * @property {Float64Array} began
 * @property {Float64Array} ended the end of the run, if it never did
 * @property {Uint32Array} client
 * @property {Uint32Array} node
 * @property {Uint32Array} f
 * @property {Uint32Array} outcome {@link OK}, {@link FAILED} or {@link IN_DOUBT}
 * @property {Uint32Array} asked size of what was asked, in bytes of text
 * @property {Uint32Array} got size of what came of it
 */

/**
 * @typedef {object} Events
 * @property {number} count
 * @property {Float64Array} time
 * @property {Uint32Array} place
 * @property {Uint32Array} kind
 * @property {Uint32Array} size of what there is to say of it, in JSON
 */

/**
 * @typedef {object} Roles
 * @property {number} count
 * @property {Float64Array} from when a node began to be this
 * @property {Float64Array} to
 * @property {Uint32Array} place
 * @property {Uint32Array | Float64Array} term
 * @property {Uint32Array} role
 */

/**
 * Who knew the values that clients told, as the bench has worked it out.
 * @typedef {object} Knowledge
 * @property {Map<string, number>} numbers of values, in JSON
 * @property {boolean} isWhole whether no value is left out
 * @property {(value: number) => Uint32Array} told the rows of the requests that told a value
 * @property {(value: number) => Map<number, Since>} known the places that knew it
 */

/** @typedef {{time: number, row: number}} Since when, and which message was sent first after that */

/**
 * @typedef {object} Fault
 * @property {string} fault its name, as --nemesis has it
 * @property {number} from
 * @property {number} to
 * @property {number[]} nodes
 * @property {[number, number][]} links from whom to whom nothing arrives, or late
 * @property {boolean} everywhere whether it is one of all links, and names none
 */

/**
 * @typedef {object} Finding
 * @property {number} number as the summary counts, from 1
 * @property {number[]} ops indices of its operations, in the history
 * @property {number[]} messages ids of those that led to it
 * @property {string | null} value the value that it is about, in JSON
 * @property {string | null} key the key that it is about
 * @property {{from: number, to: number} | null} span the time in which it came about, if it is known
 */

/**
 * @typedef {object} Run
 * @property {number} begin
 * @property {number} end
 * @property {Place[]} places
 * @property {string[]} types of messages
 * @property {string[]} functions of operations
 * @property {string[]} causes what dropped messages, and what held them up
 * @property {Messages} messages
 * @property {Operations} operations
 * @property {Fault[]} faults
 * @property {Events} events what happened to nodes, and what they logged
 * @property {string[]} eventKinds
 * @property {Roles} roles which node was leader or follower when, as it logged
 * @property {string[]} roleNames
 * @property {Knowledge} knowledge
 * @property {[number, number, number][]} gaps when, and how many messages and lines of logs were
 *     left out
 * @property {Finding[]} findings
 */

/** Of so many values the bench says who knew them. */
const MOST_VALUES = 20_000;

export const RECEIVED = 0;
export const UNDER_WAY = 1;
/** The fate of what the first of all causes dropped. */
export const DROPPED = 2;

export const OK = 0;
export const FAILED = 1;
export const IN_DOUBT = 2;

/**
 * @param {ArrayBuffer} buffer
 * @returns {Run}
 */
export function readRun(buffer) {
  const { header, columns } = readColumns(buffer);
  const { begin, end, places, types, functions, causes } = header;
  const { faults, gaps, findings, event_kinds: eventKinds, roles: roleNames } = header;
  const messages = readMessages(columns, begin);
  const operations = readOperations(columns, begin, end);
  const events = readEvents(columns, begin);
  const roles = readRoles(columns, begin);
  const knowledge = readKnowledge(columns, header.values, begin);
  const names = { knowledge, places, types, functions, causes, eventKinds, roleNames };
  return { begin, end, messages, operations, events, roles, faults, gaps, findings, ...names };
}

/**
 * @param {Record<string, Uint32Array>} columns
 * @param {number} begin
 * @returns {Messages}
 */
function readMessages(columns, begin) {
  const sent = addUp(wide(columns, "sent"), begin);
  const took = wide(columns, "took");
  const usual = median(took);
  return {
    count: sent.length,
    id: addUp(wide(columns, "id"), 0),
    sent,
    ended: sent.map((sent, i) => sent + or(took[i], usual)),
    from: columns.from,
    to: columns.to,
    type: columns.type,
    fate: columns.fate,
    delay: columns.delay,
    size: columns.size,
    long: new Map([...columns.long].map((row, i) => [row, columns.long_bytes[i]])),
  };
}

/**
 * @param {Record<string, Uint32Array>} columns
 * @param {number} begin
 * @param {number} end
 * @returns {Operations}
 */
function readOperations(columns, begin, end) {
  const began = addUp(wide(columns, "began"), begin);
  const index = addUp(wide(columns, "index"), 0);
  const [completion, lasted] = [wide(columns, "completion"), wide(columns, "lasted")];
  return {
    count: began.length,
    index,
    completion: index.map((index, i) => index + or(completion[i], 0)),
    began,
    ended: began.map((began, i) => began + or(lasted[i], end - began)),
    client: columns.client,
    node: columns.node,
    f: columns.f,
    outcome: columns.outcome,
    asked: columns.asked,
    got: columns.got,
  };
}

/**
 * @param {Record<string, Uint32Array>} columns
 * @param {number} begin
 * @returns {Events}
 */
function readEvents(columns, begin) {
  const { event_place: place, event_kind: kind, event_size: size } = columns;
  const time = addUp(wide(columns, "event_time"), begin);
  return { count: size.length, time, place, kind, size };
}

/**
 * @param {Record<string, Uint32Array>} columns
 * @param {number} begin
 * @returns {Roles}
 */
function readRoles(columns, begin) {
  const { role_place: place, role } = columns;
  const [lasted, term] = [wide(columns, "role_lasted"), wide(columns, "role_term")];
  const from = addUp(wide(columns, "role_from"), begin);
  return {
    count: from.length,
    from,
    to: from.map((from, i) => from + lasted[i]),
    place,
    term,
    role,
  };
}

/**
 * @param {Record<string, Uint32Array>} columns
 * @param {string[] | null} values none if the run says too much
 * @param {number} begin
 * @returns {Knowledge}
 */
export function readKnowledge(columns, values, begin) {
  if (!values) {
    const numbers = new Map();
    return { numbers, isWhole: false, told: () => new Uint32Array(), known: () => new Map() };
  }
  const { told_row, told_count, known_count, known_place, known_row } = columns;
  const [told, known] = [addUp(told_count, 0), addUp(known_count, 0)];
  const time = wide(columns, "known_time");
  return {
    numbers: new Map(values.map((value, i) => [value, i])),
    isWhole: values.length < MOST_VALUES,
    told: (value) => told_row.subarray(told[value] - told_count[value], told[value]),
    known: (value) => {
      const all = new Map();
      for (let i = known[value] - known_count[value]; i < known[value]; i++) {
        all.set(known_place[i], { time: begin + time[i], row: known_row[i] });
      }
      return all;
    },
  };
}

/**
 * @param {number} number
 * @param {number} otherwise
 */
function or(number, otherwise) {
  return number === NONE ? otherwise : number;
}

/**
 * The median of what there is, as a sample shows it.
 * @param {Uint32Array | Float64Array} column
 */
function median(column) {
  const step = Math.ceil(column.length / 1000);
  const sample = column.filter((number, i) => i % step === 0 && number !== NONE).sort();
  return sample[sample.length >> 1] ?? 0;
}

/**
 * What became of a message, in words.
 * @param {Run} run
 * @param {number} message
 */
export function fate(run, message) {
  const fate = run.messages.fate[message];
  if (fate === RECEIVED) return "received";
  if (fate === UNDER_WAY) return "never received";
  return `dropped: ${run.causes[fate - DROPPED]}`;
}

/**
 * The rows of messages with an id: one, and one for each copy.
 * @param {Messages} messages
 * @param {number} id
 */
export function rowsOf(messages, id) {
  const rows = [];
  let row = firstAtLeast(messages.id, id);
  for (; row < messages.count && messages.id[row] === id; row++) rows.push(row);
  return rows;
}

/**
 * The row of the operation that begins or ends with an index in the history, if there is one.
 * @param {Operations} operations
 * @param {number} index
 */
export function rowOfOperation(operations, index) {
  const row = firstAtLeast(operations.index, index);
  if (operations.index[row] === index) return [row];
  const ended = operations.completion.indexOf(index);
  return ended < 0 ? [] : [ended];
}

/**
 * All of the time, and a little more: what happens last would stand on the edge.
 * @param {Run} run
 */
export function whole({ begin, end }) {
  return { from: begin, to: Math.ceil(end + (end - begin) / 50) };
}

/**
 * The time in which a finding came about, or else all of its operations were, and somewhat more.
 * @param {Run} run
 * @param {Finding} finding
 */
export function extent(run, finding) {
  const { operations, begin, end } = run;
  if (finding.span) return within(finding.span, whole(run));
  const rows = finding.ops.flatMap((index) => rowOfOperation(operations, index));
  if (rows.length === 0) return whole(run);
  const from = rows.reduce((least, row) => Math.min(least, operations.began[row]), end);
  const to = rows.reduce((most, row) => Math.max(most, operations.ended[row]), begin);
  const more = (to - from) / 10 + 1000;
  return within({ from: from - more, to: to + more }, whole(run));
}

/**
 * Where the first number stands that is not below a bound, in an ascending column.
 * @param {ArrayLike<number>} column
 * @param {number} bound
 */
export function firstAtLeast(column, bound) {
  let [low, high] = [0, column.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (column[middle] < bound) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Where the first number stands that is above a bound, in an ascending column.
 * @param {ArrayLike<number>} column
 * @param {number} bound
 */
export function firstAbove(column, bound) {
  let [low, high] = [0, column.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (column[middle] <= bound) low = middle + 1;
    else high = middle;
  }
  return low;
}
