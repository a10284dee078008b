/** A run: what came of it, its files, and how it goes while it is under way. */

import { make } from "./dom.js";
import { address, began, number, succeeded, verdict, verdictClass, workload } from "./runs.js";

/** @typedef {import("./runs.js").Run} Run */
/** @typedef {{kind: string, text: string, why?: string}} Finding */
/**
 * @typedef {{run: Run, files: {path: string, size: number}[], findings: Finding[],
 *   warnings: Finding[]}} Details
 * @typedef {{run: Run, latencies?: string, rates?: string,
 *   counts?: [string, [number, number, number]][], last?: string[]}} Update
 */

/** What people look at first, and what it is. */
const FILES = [
  ["report.html", "the report: every message and operation"],
  ["results.json", "the verdict and what was measured"],
  ["why.json", "what is behind each finding"],
  ["history.jsonl", "what clients did and saw"],
  ["trace.jsonl", "every message and fault"],
  ["test.json", "what was run"],
];

/** So many findings of a kind are in view from the beginning. */
const SHOWN = 3;

/** @param {Details} details */
export function oneRun({ run, files, findings, warnings }) {
  return [
    title(run),
    links(
      run,
      FILES.map(([name]) => name).filter((name) => files.some(({ path }) => path === name)),
    ),
    ...(run.problem ? [make("p", { class: "doubtful" }, run.problem)] : []),
    ...(run.state === "unfinished" ? [make("p", {}, unfinished(run))] : []),
    ...told(findings, "finding"),
    ...(run.figures.length > 0 ? [make("h2", {}, "Figures"), figures(run)] : []),
    ...told(warnings, "warning"),
    make("h2", {}, "Files"),
    list(run, files),
    ...settings(run),
  ];
}

/** @param {Run} run */
function title(run) {
  const name = ` ${workload(run)}, ${began(run)}`;
  return make("h1", {}, make("span", { class: verdictClass(run) }, verdict(run)), name);
}

/** @param {Run} run */
function unfinished({ status }) {
  const text = "The bench was ended before there were results";
  return status ? `${text}: ${status.phase}, after ${status.elapsed.toFixed(1)} s.` : `${text}.`;
}

/**
 * @param {Finding[]} findings
 * @param {string} of
 */
function told(findings, of) {
  const kinds = [...new Set(findings.map(({ kind }) => kind))];
  return kinds.map((kind) => {
    const items = findings.filter((finding) => finding.kind === kind).map(item);
    const [first, more] = [items.slice(0, SHOWN), items.slice(SHOWN)];
    const section = make("section", { class: of }, make("h2", {}, kind), make("ul", {}, ...first));
    if (more.length > 0) {
      const summary = make("summary", {}, `${more.length} more of this kind`);
      section.append(make("details", {}, summary, make("ul", {}, ...more)));
    }
    return section;
  });
}

/** @param {Finding} finding */
function item({ text, why }) {
  const item = make("li", {}, text);
  if (why) item.append(make("p", { class: "why" }, make("b", {}, "Why: "), why));
  return item;
}

/** @param {Run} run */
function figures(run) {
  const all = run.figures.map(({ name, value, unit }) => entry(name, number(value, unit)));
  return make("dl", {}, ...entry("succeeded", succeeded(run)), ...all.flat());
}

/**
 * @param {string} name
 * @param {Node | string} value
 */
function entry(name, value) {
  return [make("dt", {}, name), make("dd", {}, value)];
}

/**
 * @param {Run} run
 * @param {Details["files"]} files
 */
function list(run, files) {
  const known = FILES.map(([name]) => name);
  const place = ({ path } = { path: "" }) =>
    (known.indexOf(path) + known.length + 1) % (known.length + 1);
  const sorted = [...files].sort((a, b) => place(a) - place(b));
  const items = sorted.map(({ path, size }) => {
    const link = make("a", { href: `${address("/files", run.id)}${address("", path)}` }, path);
    const what = FILES.find(([name]) => name === path)?.[1];
    return make("li", {}, link, ` ${bytes(size)}${what ? `, ${what}` : ""}`);
  });
  return make("ul", { class: "files" }, ...items);
}

/** @param {number} size */
function bytes(size) {
  if (size < 1000) return `${size} bytes`;
  return size < 1e6 ? `${number(size / 1e3)} kB` : `${number(size / 1e6)} MB`;
}

/** @param {Run} run */
function settings({ test }) {
  const all = Object.entries(test?.settings ?? {}).flatMap(([name, value]) => entry(name, value));
  const command = typeof test?.command === "string" ? test.command : "";
  return [
    ...(all.length > 0 ? [make("h2", {}, "Settings"), make("dl", {}, ...all)] : []),
    ...(command ? [make("h2", {}, "To run it again"), make("pre", {}, command)] : []),
  ];
}

/**
 * What people look at first.
 * @param {Run} run
 * @param {string[]} names
 */
function links(run, names) {
  const all = names.map((name) =>
    make("a", { href: `${address("/files", run.id)}/${name}` }, name),
  );
  return make("p", { class: "controls" }, ...all);
}

/** A run that is under way. */
export class Live {
  constructor() {
    this.heading = make("div");
    this.progress = make("progress", { max: "1", value: "0" });
    this.phase = make("p", { class: "phase", role: "status" });
    this.counts = make("tbody");
    this.latencies = make("div", { class: "latencies" });
    this.rates = make("div", { class: "rates" });
    this.last = make("pre", { class: "last" });
    const head = ["Operation", "ok", "failed", "in doubt"].map((name) => make("th", {}, name));
    this.elements = [
      this.heading,
      make("p", {}, this.progress),
      this.phase,
      make("table", {}, make("thead", {}, make("tr", {}, ...head)), this.counts),
      make("h2", {}, "Latency"),
      this.latencies,
      make("h2", {}, "Operations a second"),
      this.rates,
      make("h2", {}, "The latest operations"),
      this.last,
    ];
  }

  /** @param {Update} update */
  update({ run, latencies, rates, counts, last }) {
    if (!this.heading.hasChildNodes()) {
      this.heading.append(title(run), links(run, ["history.jsonl", "trace.jsonl"]));
    }
    if (run.status) this.stand(run.status);
    if (latencies === undefined || rates === undefined) return;
    // Pictures of the bench's own, of escaped texts; the page's policy runs no script of theirs.
    this.latencies.innerHTML = latencies;
    this.rates.innerHTML = rates;
    this.counts.replaceChildren(...(counts ?? []).map(countsRow));
    this.last.textContent = (last ?? []).join("\n");
  }

  /** @param {import("./runs.js").Status} status */
  stand(status) {
    const { phase, elapsed, expected, count, faults } = status;
    this.progress.value = expected > 0 ? Math.min(elapsed / expected, 1) : 0;
    const failed = [
      [status["fail-count"], "failed"],
      [status["info-count"], "in doubt"],
    ].flatMap(([count, what]) => (count ? [`${count.toLocaleString("en")} ${what}`] : []));
    const parts = [`${elapsed.toFixed(1)} s`, phase, `${number(count)} operations`, ...failed];
    this.phase.textContent = [...parts, ...faults.map((fault) => `[${fault}]`)].join("  ");
  }
}

/**
 * @param {[string, [number, number, number]]} counts
 * @param {number} place
 */
function countsRow([f, counts], place) {
  const name = make("td", {}, make("i", { class: `key f${place % 6}` }), f);
  return make("tr", {}, name, ...counts.map((count) => make("td", {}, number(count))));
}
