/** The list of runs: the newest first, filtered, and two of them to be compared. */

import { make } from "./dom.js";
import {
  address,
  began,
  faults,
  figure,
  latency,
  matches,
  order,
  succeeded,
  verdict,
  verdictClass,
  workload,
} from "./runs.js";

/** @typedef {import("./runs.js").Run} Run */
/** @typedef {import("./runs.js").Filter} Filter */

/** So many runs are shown; others are found with the filter. */
const SHOWN = 500;

const COLUMNS = [
  ["", "Mark two runs to compare them."],
  ["Began", "When the run began, in this machine's time."],
  ["Workload", "What clients asked of the nodes."],
  ["Verdict", "What the checkers came to, or why there is no verdict."],
  ["Faults", "What was done to nodes and network."],
  ["Operations", "How many operations clients asked for."],
  ["Succeeded", "The share of all operations that succeeded."],
  ["Messages/op", "Messages between nodes and services for each operation."],
  ["Median", "Half took at most this long: stable latencies, or those of the main operation."],
  ["Worst", "The longest of these latencies."],
  ["", "The report of the run."],
];

export class List {
  /**
   * @param {(filter: Filter) => void} remember
   * @param {(ids: string[]) => void} compare
   */
  constructor(remember, compare) {
    /** @type {Filter} */
    this.filter = { text: "", workload: "", verdict: "" };
    this.remember = remember;
    /** @type {Map<string, Run>} */
    this.runs = new Map();
    /** @type {Map<string, HTMLTableRowElement>} */
    this.rows = new Map();
    /** @type {Set<string>} those that are to be compared */
    this.marked = new Set();
    this.body = make("tbody", {
      keydown: (event) => this.key(/** @type {KeyboardEvent} */ (event)),
    });
    this.status = make("span", { role: "status" });
    this.more = make("p", { class: "note" });
    this.text = make("input", {
      type: "search",
      name: "text",
      placeholder: "any words",
      input: () => this.refilter({ text: this.text.value }),
    });
    this.workload = this.select("workload");
    this.verdict = this.select("verdict");
    this.button = make(
      "button",
      { type: "button", name: "compare", click: () => compare([...this.marked]) },
      "Compare",
    );
    this.element = this.build();
    this.show();
  }

  build() {
    const head = COLUMNS.map(([name, title]) => make("th", { title, scope: "col" }, name));
    const controls = make(
      "p",
      { class: "controls" },
      make("label", {}, "Filter ", this.text),
      make("label", {}, "Workload ", this.workload),
      make("label", {}, "Verdict ", this.verdict),
      this.button,
      this.status,
    );
    const table = make("table", {}, make("thead", {}, make("tr", {}, ...head)), this.body);
    return make(
      "div",
      {},
      make("h1", {}, "Runs"),
      controls,
      make("div", { class: "sideways runs" }, table),
      this.more,
      make(
        "p",
        { class: "note" },
        "Keys: / filters, ↑ and ↓ go from run to run, Enter opens one, c marks it to be compared, " +
          "Escape leads back here.",
      ),
    );
  }

  /** @param {"workload" | "verdict"} name */
  select(name) {
    const field = make("select", {
      name,
      change: () => this.refilter({ [name]: field.value }),
    });
    return field;
  }

  /**
   * Runs that are new or have changed, and those that are gone.
   * @param {Run[]} changed
   * @param {string[]} gone
   */
  update(changed, gone) {
    for (const run of changed) this.runs.set(run.id, run);
    for (const id of gone) this.runs.delete(id);
    const stale = [...changed.map(({ id }) => id), ...gone];
    const held = this.held();
    for (const id of stale) {
      const [before, run] = [this.rows.get(id), this.runs.get(id)];
      this.rows.delete(id);
      if (before && run) before.replaceWith(this.row(run));
      if (!run) this.marked.delete(id);
    }
    this.show();
    this.hold(held);
  }

  /** Begins anew: the server tells of all runs again. */
  clear() {
    this.runs.clear();
    this.rows.clear();
  }

  /** @param {Partial<Filter>} change */
  refilter(change) {
    this.filter = { ...this.filter, ...change };
    this.text.value = this.filter.text;
    this.show();
    this.remember(this.filter);
  }

  show() {
    const all = [...this.runs.values()].sort(order);
    options(this.workload, "all", all.map(workload), this.filter.workload);
    options(this.verdict, "any", all.map(verdict), this.filter.verdict);
    const found = all.filter((run) => matches(run, this.filter));
    const rows = found.slice(0, SHOWN).map((run) => this.rows.get(run.id) ?? this.row(run));
    const there = [...this.body.children];
    if (rows.length !== there.length || rows.some((row, i) => row !== there[i])) {
      this.body.replaceChildren(...rows);
    }
    this.status.textContent = `${found.length} of ${all.length} runs`;
    const more = found.length - rows.length;
    this.more.textContent = more > 0 ? `${more} more are older: the filter finds them.` : "";
    if (all.length === 0) this.more.textContent = "No test has left anything here yet.";
    this.button.disabled = this.marked.size !== 2;
  }

  /** @param {Run} run */
  row(run) {
    const mark = make("input", {
      type: "checkbox",
      "aria-label": `Compare ${run.id}`,
      change: () => {
        if (mark.checked) this.marked.add(run.id);
        else this.marked.delete(run.id);
        this.show();
      },
    });
    mark.checked = this.marked.has(run.id);
    const isRun = run.state !== "foreign";
    const link = make("a", { href: `#run=${encodeURIComponent(run.id)}` }, began(run));
    const report = make("a", { href: `${address("/files", run.id)}/report.html` }, "Report");
    const cells = [
      isRun ? mark : "",
      isRun ? link : run.id,
      isRun ? workload(run) : "",
      state(run),
      faults(run),
      run.status ? run.status.count.toLocaleString("en") : figure(run, "operations"),
      succeeded(run),
      figure(run, "messages an operation"),
      latency(run, "median"),
      latency(run, "worst"),
      run["has-report"] ? report : "",
    ];
    // On a narrow screen a name stands before what it is of.
    const named = cells.map((cell, i) => make("td", { "data-name": COLUMNS[i][0] }, cell));
    const row = make("tr", {}, ...named);
    this.rows.set(run.id, row);
    return row;
  }

  /** What has the keyboard: the run, and where in its row. */
  held() {
    const focused = document.activeElement;
    const row = focused?.closest("tr");
    for (const [id, known] of this.rows) {
      if (known === row) return { id, place: focusable(row).indexOf(/** @type {any} */ (focused)) };
    }
    return null;
  }

  /** @param {{id: string, place: number} | null} held */
  hold(held) {
    const row = held && this.rows.get(held.id);
    if (row && !row.contains(document.activeElement)) focusable(row)[held.place]?.focus();
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const row = /** @type {Element} */ (event.target).closest("tr");
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!row || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "c") row.querySelector("input")?.click();
    if (!step) return;
    event.preventDefault();
    const links = [...this.body.querySelectorAll("td:nth-child(2) a")];
    const place = links.findIndex((link) => row.contains(link));
    /** @type {HTMLElement | undefined} */ (links[place + step])?.focus();
  }

  /** Gives the keyboard to the first run. */
  focus() {
    this.body.querySelector("a")?.focus();
  }
}

/** @param {Element} row */
function focusable(row) {
  return /** @type {HTMLElement[]} */ ([...row.querySelectorAll("input, a")]);
}

/**
 * The verdict, or where the run stands.
 * @param {Run} run
 */
function state(run) {
  const text = make("span", { class: verdictClass(run) }, verdict(run));
  if (run.problem) text.append(make("small", { class: "note" }, `: ${run.problem}`));
  if (run.state !== "under-way" || !run.status) return text;
  const { phase, elapsed, expected } = run.status;
  const part = expected > 0 ? Math.min(elapsed / expected, 1) : 0;
  return make(
    "span",
    {},
    make("progress", { max: "1", value: String(part) }),
    ` ${phase}, ${elapsed.toFixed(1)} s`,
  );
}

/**
 * What a list can be filtered by: what it has.
 * @param {HTMLSelectElement} select
 * @param {string} none
 * @param {string[]} values
 * @param {string} chosen
 */
function options(select, none, values, chosen) {
  const all = ["", ...[...new Set([...values, chosen])].filter(Boolean).sort()];
  if (all.join() !== [...select.options].map(({ value }) => value).join()) {
    select.replaceChildren(...all.map((value) => make("option", { value }, value || none)));
  }
  select.value = chosen;
  select.toggleAttribute("data-set", chosen !== "");
}
