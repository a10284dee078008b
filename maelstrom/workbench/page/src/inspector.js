/** Says all that is known of the selected message or operation. */

import { NONE } from "./binary.js";
import { button, counted, grouped, make } from "./dom.js";
import { describeMessage, describeOperation, LEFT_OUT } from "./pick.js";
import { moment } from "./times.js";

/** @typedef {import("./run.js").Run} Run */
/** @typedef {import("./causes.js").Cause} Cause */
/** @typedef {import("./causes.js").Causes} Causes */

/** How many values are offered to be followed. */
const OFFERED = 24;
/** A scalar of JSON; of a string, whether it is a key. */
const SCALAR = /("(?:[^"\\]|\\.)*")(\s*:)?|-?\d[\d.eE+-]*/g;
const PROTOCOL = ['"type"', '"msg_id"', '"in_reply_to"'];
/** Operations on keys: there the same value may stand under several of them. */
const KEYED = ["txn", "send", "write", "cas"];
/** Longer texts are cut, and what stands on a button. */
const LONGEST = 20_000;
const LABEL = 60;

export class Inspector {
  /**
   * @param {Run} run
   * @param {{select: (cause: Cause | null) => void, follow: (value: string) => void}} actions
   */
  constructor(run, actions) {
    this.run = run;
    this.actions = actions;
    this.element = make("aside", {
      class: "inspector",
      "aria-live": "polite",
      hidden: true,
      keydown: (event) => {
        if (/** @type {KeyboardEvent} */ (event).key === "Escape") this.actions.select(null);
      },
    });
  }

  /** @param {(Node | string)[]} parts */
  fill(...parts) {
    this.element.hidden = parts.length === 0;
    const close = button("Close", () => this.actions.select(null), "Select nothing (Escape)");
    this.element.replaceChildren(...(parts.length > 0 ? [close, ...parts] : []));
  }

  /**
   * Gives the keyboard to what is shown, or to another element if nothing is.
   * @param {HTMLElement} other
   */
  focus(other) {
    (this.element.querySelector("button") ?? other).focus({ preventScroll: true });
  }

  /**
   * @param {number} message
   * @param {Causes} causes
   */
  message(message, causes) {
    const { run } = this;
    const { delay, id, size } = run.messages;
    const late = delay[message] > 0 ? `, held up: ${run.causes[delay[message] - 1]}` : "";
    const text = size[message] === NONE ? LEFT_OUT : causes.texts.body(message);
    const cause = causes.causeOf(message);
    this.fill(
      make("h3", {}, describeMessage(run, message) + late),
      make("p", { class: "note" }, `Message ${id[message]} of the trace`),
      ...cut(run, message),
      json(text),
      ...this.links("Cause", cause ? [cause] : []),
      ...this.links("Effects", causes.effectsOf(message)),
      ...this.values(text),
    );
  }

  /**
   * @param {number} operation
   * @param {Causes} causes
   */
  operation(operation, causes) {
    const { operations } = this.run;
    const { asked, got } = causes.texts.valuesOf(operation);
    this.fill(
      make("h3", {}, describeOperation(this.run, operation)),
      make("p", { class: "note" }, `Line ${operations.index[operation]} of the history`),
      make("p", {}, "Asked"),
      json(operations.asked[operation] === NONE ? LEFT_OUT : asked),
      make("p", {}, "Came of it"),
      json(operations.got[operation] === NONE ? LEFT_OUT : got || "nothing"),
      ...this.links("Messages", causes.messagesOf(operation)),
      ...this.values(`${asked} ${got}`),
    );
  }

  /**
   * @param {string} title
   * @param {Cause[]} causes
   */
  links(title, causes) {
    if (causes.length === 0) return [make("p", {}, `${title}: none known`)];
    const items = causes.map((cause) => {
      const text = "message" in cause ? message(this.run, cause) : operation(this.run, cause);
      return make(
        "li",
        {},
        button(text, () => this.actions.select(cause)),
      );
    });
    return [make("p", {}, title), make("ul", {}, ...items)];
  }

  /** @param {string} text */
  values(text) {
    const values = [...new Set(scalars(text))].slice(0, OFFERED);
    if (values.length === 0) return [];
    const follow = (/** @type {string} */ value) => {
      const label = value.length > LABEL ? `${value.slice(0, LABEL)}…` : value;
      return button(label, () => this.actions.follow(value));
    };
    const buttons = values.map(follow);
    return [make("p", {}, "Follow a value"), make("p", { class: "values" }, ...buttons)];
  }
}

/**
 * Says so if the trace has only the header of a message.
 * @param {Run} run
 * @param {number} message
 */
function cut(run, message) {
  const bytes = run.messages.long.get(message);
  if (bytes === undefined) return [];
  const text = `Its body has ${grouped(bytes)} bytes, too many for the trace, which kept its header:`;
  return [make("p", { class: "warning" }, text)];
}

/**
 * @param {Run} run
 * @param {{message: number}} cause
 */
function message(run, cause) {
  return describeMessage(run, cause.message);
}

/**
 * @param {Run} run
 * @param {{operation: number}} cause
 */
function operation(run, cause) {
  return describeOperation(run, cause.operation);
}

/** @param {string} text */
function json(text) {
  const all = pretty(text);
  const more = all.length - LONGEST;
  const rest = more > 0 ? ` … ${counted(more, "character")} more, which are not shown` : "";
  return make("pre", {}, all.slice(0, LONGEST) + rest);
}

/**
 * JSON on several lines, if it is long and no list of many small things. A text that would change
 * otherwise, such as a number with many digits, stays as it is.
 * @param {string} text
 */
function pretty(text) {
  if (text.length < 60) return text;
  try {
    const value = JSON.parse(text);
    const lines = JSON.stringify(value, null, 2);
    return JSON.stringify(value) === text && lines.split("\n").length < 40 ? lines : text;
  } catch {
    return text;
  }
}

/**
 * Values that may be worth following: numbers and strings, but not those of the protocol.
 * @param {string} text
 */
function* scalars(text) {
  let key = "";
  for (const [all, string, colon] of text.matchAll(SCALAR)) {
    if (colon) key = string;
    else if (!PROTOCOL.includes(key)) yield all;
  }
}

/**
 * Since when which place knows the value that is followed.
 * @param {Run} run
 * @param {string} value
 * @param {import("./spread.js").Known | null} known
 */
export function knowers(run, value, known) {
  const { long } = run.messages;
  const but =
    long.size > 0 ? ` (The bodies of ${counted(long.size, "message")} are not known.)` : "";
  if (!known) {
    const why = run.knowledge.isWhole ? "No client told a node" : "It is not worked out who knew";
    return `${why} ${value}: shown are all messages in which it stands.${but}`;
  }
  const nodes = run.places.flatMap((place, i) => (place.kind === "node" ? [i] : []));
  const order = [...known]
    .filter(([place]) => nodes.includes(place))
    .sort((a, b) => a[1].row - b[1].row);
  const names = order.map(([place, { time }]) => `${run.places[place].name} ${moment(time)}`);
  const never = nodes.filter((place) => !known.has(place)).map((place) => run.places[place].name);
  const under = KEYED.some((f) => run.functions.includes(f)) ? ", under whichever key" : "";
  const missing = never.length > 0 ? ` Never: ${never.join(", ")}.` : "";
  return `Who received ${value}${under}, and when: ${names.join(", ") || "nobody"}.${missing}${but}`;
}
