/** The controls above the diagram: what is shown, and how much of it. */

import { SERIES } from "./colors.js";
import { button, make } from "./dom.js";
import { SIGNS } from "./draw-lines.js";
import { groups } from "./faults.js";
import { UNDER_WAY } from "./run.js";

/** @typedef {import("./run.js").Run} Run */
/** @typedef {import("./state.js").State} State */

export class Controls {
  /**
   * @param {Run} run
   * @param {(change: Partial<State>) => void} change
   * @param {{zoom: (factor: number) => void, all: () => void}} moves
   */
  constructor(run, change, moves) {
    this.change = change;
    const { places, types, functions } = run;
    this.fields = {
      node: this.select(
        "Node",
        "node",
        places.map(({ name }) => name),
      ),
      type: this.select("Message type", "type", [...types].sort()),
      op: this.select("Operation", "op", [...functions].sort()),
      fate: this.select("Messages", "fate", ["dropped"]),
      text: this.input("Text", "text", "in bodies"),
      value: this.input("Follow value", "value", "such as 26"),
    };
    this.flags = {
      clients: this.flag("Clients", "clients"),
      services: this.flag("Services", "services"),
    };
    this.element = make(
      "form",
      { class: "controls", submit: (event) => event.preventDefault() },
      ...Object.values(this.fields).map(labelled),
      ...Object.values(this.flags).map(labelled),
      make(
        "span",
        { class: "buttons" },
        button("−", () => moves.zoom(1 / 0.6), "Show more time (key −)"),
        button("+", () => moves.zoom(0.6), "Show less time (key +)"),
        button("Whole run", moves.all, "Show all of the time (key 0)"),
        button("No filter", () => change(NO_FILTER), "Show everything"),
      ),
    );
  }

  /** @param {State} state */
  show(state) {
    for (const [name, field] of Object.entries(this.fields)) {
      const text = state[/** @type {keyof Controls["fields"]} */ (name)];
      if (field !== document.activeElement && field.value !== text) field.value = text;
      field.toggleAttribute("data-set", text !== "");
    }
    for (const [name, box] of Object.entries(this.flags)) {
      box.checked = state[/** @type {keyof Controls["flags"]} */ (name)];
    }
  }

  /**
   * @param {string} label
   * @param {string} name
   * @param {string[]} values
   */
  select(label, name, values) {
    const options = ["", ...values].map((value) => make("option", { value }, value || "all"));
    const select = make("select", { name, "aria-label": label }, ...options);
    select.addEventListener("change", () => this.change({ [name]: select.value }));
    return select;
  }

  /**
   * @param {string} label
   * @param {string} name
   * @param {string} placeholder
   */
  input(label, name, placeholder) {
    const attributes = { name, placeholder, type: "search", "aria-label": label, size: "14" };
    const input = make("input", attributes);
    input.addEventListener("input", () => this.change({ [name]: input.value.trim() }));
    return input;
  }

  /**
   * @param {string} label
   * @param {string} name
   */
  flag(label, name) {
    const box = make("input", { name, type: "checkbox", "aria-label": label });
    box.addEventListener("change", () => this.change({ [name]: box.checked }));
    return box;
  }
}

const NO_FILTER = { node: "", type: "", op: "", fate: "", text: "", value: "", finding: null };

/**
 * Says which colour is which kind of message or operation; each shows only its own kind.
 * @param {Run} run
 * @param {Int32Array} typeColors
 * @param {(change: Partial<State>) => void} change
 */
export function legend(run, typeColors, change) {
  const entry = (
    /** @type {string} */ text,
    /** @type {string} */ color,
    /** @type {Partial<State>} */ only,
  ) => {
    const kind = "op" in only ? "operations" : "messages";
    const entry = button(text, () => change(only), `Show only these ${kind}`);
    entry.prepend(make("i", { class: "key", style: `background: var(--${color})` }));
    return entry;
  };
  const types = run.types.flatMap((type, i) =>
    typeColors[i] < 0 ? [] : [entry(type, `series-${typeColors[i]}`, { type })],
  );
  const functions = run.functions.map((op, i) => entry(op, `series-${i % SERIES}`, { op }));
  return make(
    "p",
    { class: "legend" },
    "Arrows: ",
    ...types,
    entry("dropped", "bad", { fate: "dropped" }),
    " Bars: ",
    ...functions,
    make("span", {}, make("i", { class: "key", style: "background: var(--bad)" }), "failed"),
    make("span", {}, make("i", { class: "key", style: "background: var(--doubt)" }), "in doubt"),
    ...signs(run).map((text) => make("span", {}, text)),
  );
}

/**
 * What else is drawn, of what the run has.
 * @param {Run} run
 */
function signs(run) {
  const { faults, eventKinds, roles, messages } = run;
  const events = eventKinds.flatMap((kind) => (SIGNS[kind] ? [`${SIGNS[kind]} ${kind}`] : []));
  return [
    messages.fate.includes(UNDER_WAY) && "○ never received",
    events.length > 0 && `On nodes: ${events.join(", ")}.`,
    faults.some((fault) => groups(run, fault).length > 1) &&
      "Behind nodes: those of a colour still hear each other.",
    roles.count > 0 && "Below nodes: thick leads, thin follows; a colour is a term.",
  ].filter((text) => text !== false);
}

/** @param {HTMLElement} field */
function labelled(field) {
  return make("label", {}, field.getAttribute("aria-label") ?? "", " ", field);
}
