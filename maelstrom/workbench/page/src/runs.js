/** What the store has of a run, and what of it is worth saying. */

/**
 * @typedef {{name: string, value: number, unit: string}} Figure
 * @typedef {{kind: string, count: number}} Kind
 * @typedef {{phase: string, elapsed: number, expected: number, count: number,
 *   "fail-count": number, "info-count": number, faults: string[]}} Status
 * @typedef {{bin?: string, command?: string, seed?: number,
 *   settings?: Record<string, string>}} Test
 * @typedef {"under-way" | "ended" | "unfinished" | "damaged" | "foreign"} State
 * @typedef {{id: string, state: State, verdict: string | null, problem: string | null,
 *   test: Test | null, status: Status | null, figures: Figure[], findings: Kind[],
 *   "has-report": boolean}} Run
 * @typedef {{text: string, workload: string, verdict: string}} Filter
 * @typedef {{name: string, values: [string, string], change: string, differs: boolean}} Row
 */

/** @type {Record<State, string>} */
const STATES = {
  "under-way": "under way",
  ended: "ended",
  unfinished: "no results",
  damaged: "damaged",
  foreign: "no run",
};

/** @type {Record<string, string>} */
const CLASSES = {
  valid: "good",
  invalid: "bad",
  "over its limits": "bad",
  unknown: "doubtful",
  "no results": "doubtful",
  damaged: "doubtful",
  "no run": "note",
};

/**
 * The verdict, or why there is none.
 * @param {Run} run
 */
export function verdict(run) {
  return run.verdict ?? STATES[run.state];
}

/** @param {Run} run */
export function verdictClass(run) {
  return CLASSES[verdict(run)] ?? "";
}

/** @param {Run} run */
export function workload(run) {
  return run.id.split("/")[0];
}

/**
 * When it began, as its folder says, in the reader's time; else the folder's name.
 * @param {Run} run
 */
export function began(run) {
  const name = run.id.split("/").at(-1) ?? "";
  const parts = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)(\.\d+)(Z|[+-]\d{4})/.exec(name);
  if (!parts) return name;
  const [, year, month, day, hour, minute, second, , zone] = parts;
  const offset = zone === "Z" ? zone : `${zone.slice(0, 3)}:${zone.slice(3)}`;
  const time = new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}${offset}`);
  return Number.isNaN(time.getTime()) ? name : time.toLocaleString("sv-SE");
}

/**
 * Which faults it had, if that was written down; how often is left out.
 * @param {Run} run
 */
export function faults(run) {
  return setting(run, "Faults").replaceAll(/ every [\d.]+ s or so/g, "");
}

/**
 * @param {Run} run
 * @param {string} name
 */
function setting(run, name) {
  const value = run.test?.settings?.[name];
  return typeof value === "string" ? value : "";
}

/**
 * Where the files of a run are, or something else of it.
 * @param {string} root
 * @param {string} id
 */
export function address(root, id) {
  return `${root}/${id.split("/").map(encodeURIComponent).join("/")}`;
}

/**
 * @param {Run} run
 * @param {Filter} filter
 */
export function matches(run, filter) {
  if (filter.workload && workload(run) !== filter.workload) return false;
  if (filter.verdict && verdict(run) !== filter.verdict) return false;
  const kinds = run.findings.map(({ kind }) => kind);
  const told = [run.id, verdict(run), faults(run), run.test?.command ?? "", began(run), ...kinds];
  const text = told.join(" ").toLowerCase();
  return filter.text
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}

/**
 * Whether a run stands before another in the list: the newest first, then what is no run.
 * @param {Run} a
 * @param {Run} b
 */
export function order(a, b) {
  const isForeign = (/** @type {Run} */ run) => Number(run.state === "foreign");
  const name = (/** @type {Run} */ run) => run.id.split("/").at(-1) ?? "";
  const compare = (/** @type {string} */ x, /** @type {string} */ y) =>
    Number(x > y) - Number(x < y);
  return isForeign(a) - isForeign(b) || compare(name(b), name(a)) || compare(a.id, b.id);
}

/**
 * A number with as many digits as are worth reading.
 * @param {number} value
 * @param {string} unit
 */
export function number(value, unit = "") {
  const digits = Number.isInteger(value) || Math.abs(value) >= 100 ? 0 : 2;
  const text = value.toLocaleString("en", { maximumFractionDigits: digits });
  return unit ? `${text} ${unit}` : text;
}

/**
 * A figure of a run, or a dash.
 * @param {Run} run
 * @param {string} name
 */
export function figure(run, name) {
  const found = run.figures.find((figure) => figure.name === name);
  return found ? number(found.value, found.unit) : "–";
}

/**
 * How many of the operations succeeded. 9,999 of 10,000 are not all of them.
 * @param {Run} run
 */
export function succeeded(run) {
  const count = (/** @type {string} */ of) => run.figures.find(({ name }) => name === of)?.value;
  const [all, ok] = [count("operations"), count("ok")];
  if (!all || ok === undefined) return "–";
  return `${Math.floor((ok / all) * 10_000) / 100} %`;
}

/**
 * Latencies as a whole: stable ones, or those of the function with the most operations.
 * @param {Run} run
 * @param {"median" | "worst"} quantile
 */
export function latency(run, quantile) {
  if (run.figures.some(({ name }) => name === "stable median")) {
    return figure(run, `stable ${quantile}`);
  }
  const ok = run.figures.filter(({ name }) => name.endsWith(" ok"));
  const most = ok.reduce(
    (/** @type {Figure | null} */ a, b) => (a && a.value >= b.value ? a : b),
    null,
  );
  return most ? figure(run, `${most.name.slice(0, -3)} ${quantile}`) : "–";
}

/**
 * Two runs beside each other: settings, then figures, then what was found.
 * @param {Run} a
 * @param {Run} b
 * @returns {Row[]}
 */
export function rows(a, b) {
  const settings = names(a, b, (run) => Object.keys(run.test?.settings ?? {}));
  const figures = names(a, b, (run) => run.figures.map(({ name }) => name));
  const kinds = new Set([a, b].flatMap((run) => run.findings.map(({ kind }) => kind)));
  const count = (/** @type {Run} */ run, /** @type {string} */ of) =>
    number(run.findings.find(({ kind }) => kind === of)?.count ?? 0);
  return [
    row("Verdict", [verdict(a), verdict(b)]),
    row("Program", [a.test?.bin ?? "–", b.test?.bin ?? "–"]),
    ...settings.map((name) => row(name, [setting(a, name) || "–", setting(b, name) || "–"])),
    ...figures.map((name) => row(name, [figure(a, name), figure(b, name)], change(a, b, name))),
    ...[...kinds].map((kind) => row(`found: ${kind}`, [count(a, kind), count(b, kind)])),
  ];
}

/**
 * What stands beside each other: all that either run has, or of two workloads what both have.
 * @param {Run} a
 * @param {Run} b
 * @param {(run: Run) => string[]} of
 */
function names(a, b, of) {
  const all = [...new Set([...of(a), ...of(b)])];
  const isOfBoth = (/** @type {string} */ name) => of(a).includes(name) && of(b).includes(name);
  return workload(a) === workload(b) ? all : all.filter(isOfBoth);
}

/**
 * @param {string} name
 * @param {[string, string]} values
 * @returns {Row}
 */
function row(name, values, change = "") {
  return { name, values, change, differs: values[0] !== values[1] };
}

/**
 * How a figure changes from one run to another.
 * @param {Run} a
 * @param {Run} b
 * @param {string} name
 */
function change(a, b, name) {
  const value = (/** @type {Run} */ run) => run.figures.find((of) => of.name === name)?.value;
  const [before, after] = [value(a), value(b)];
  if (before === undefined || after === undefined || before === after || before === 0) return "";
  const percent = ((after - before) / Math.abs(before)) * 100;
  return `${percent > 0 ? "+" : ""}${number(Math.abs(percent) < 10 ? percent : Math.round(percent))} %`;
}
