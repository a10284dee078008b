/** Two runs beside each other. */

import { make } from "./dom.js";
import { address, began, rows, workload } from "./runs.js";

/** @typedef {import("./runs.js").Run} Run */

/**
 * @param {Run} a
 * @param {Run} b
 */
export function compare(a, b) {
  const only = make("input", { type: "checkbox", change: () => show() });
  const body = make("tbody");
  const show = () => {
    const shown = rows(a, b).filter(({ differs }) => differs || !only.checked);
    body.replaceChildren(...shown.map(row));
  };
  show();
  const head = make("tr", {}, make("th"), heading(a), heading(b), make("th", {}, "Change"));
  return [
    make("h1", {}, "Two runs"),
    ...(workload(a) === workload(b) ? [] : [make("p", { class: "note" }, apart(a, b))]),
    make("p", { class: "controls" }, make("label", {}, only, " Only what differs")),
    make(
      "div",
      { class: "sideways" },
      make("table", { class: "pair" }, make("thead", {}, head), body),
    ),
  ];
}

/**
 * @param {Run} a
 * @param {Run} b
 */
function apart(a, b) {
  return `${workload(a)} and ${workload(b)} are different workloads: shown is what both have.`;
}

/** @param {Run} run */
function heading(run) {
  const open = make("a", { href: `#run=${encodeURIComponent(run.id)}` }, began(run));
  const heading = make("th", { scope: "col" }, `${workload(run)} `, open);
  if (run["has-report"]) {
    heading.append(" ", make("a", { href: `${address("/files", run.id)}/report.html` }, "Report"));
  }
  return heading;
}

/** @param {import("./runs.js").Row} of */
function row({ name, values, change, differs }) {
  const cells = [...values, change].map((text) => make("td", {}, text));
  return make(
    "tr",
    differs ? { class: "differs" } : {},
    make("th", { scope: "row" }, name),
    ...cells,
  );
}
