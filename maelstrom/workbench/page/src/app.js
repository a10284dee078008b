/** Holds the parts of the page together: every change goes through {@link App.change}. */

import { Causes } from "./causes.js";
import { Controls, legend } from "./controls.js";
import { Diagram } from "./diagram.js";
import { counted, make } from "./dom.js";
import { filter, needsTexts } from "./filter.js";
import { listen } from "./gestures.js";
import { Inspector, knowers } from "./inspector.js";
import { missing } from "./missing.js";
import { describeAt, describeEvent, pickEvent, pickMessage, pickOperation } from "./pick.js";
import { firstAtLeast, rowOfOperation, rowsOf, whole } from "./run.js";
import { isDense, timeAt } from "./scene.js";
import { fromHash, toHash } from "./state.js";
import { ends, move, zoom } from "./times.js";

/** @typedef {import("./run.js").Run} Run */
/** @typedef {import("./state.js").State} State */
/** @typedef {import("./texts.js").Texts} Texts */
/** @typedef {import("./causes.js").Cause} Cause */

/** How long nothing changes before the address does, in milliseconds: browsers limit how often. */
const REST = 150;

const KEYS =
  "Wheel, two fingers, + and −: zoom. Drag and arrows: move. n, p: next and previous message. " +
  "l, L: next and previous line of a log or event of a node. 0: whole run. " +
  "Click on a message or an operation to see what it says, its cause and its effects.";

export class App {
  /**
   * @param {Run} run
   * @param {() => Promise<Texts>} readTexts
   */
  constructor(run, readTexts) {
    this.run = run;
    this.all = whole(run);
    this.state = fromHash(location.hash, run);
    this.diagram = new Diagram(run);
    this.inspector = new Inspector(run, {
      select: (cause) => this.select(cause),
      follow: (value) => this.change({ value }),
    });
    this.controls = new Controls(run, (change) => this.change(change), {
      zoom: (factor) => this.zoom(factor),
      all: () => this.change(this.all),
    });
    this.status = make("p", { class: "note", role: "status" });
    this.knowers = make("p", { class: "knowers" });
    this.tip = make("div", { class: "tip", hidden: true });
    this.pointer = { x: 0, y: 0 };
    /** @type {number | null} the event of a node that the keys have come to */
    this.event = null;
    this.element = this.layout();
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.writing = undefined;
    /** @type {Texts | null} */
    this.texts = null;
    /** @type {Causes | null} */
    this.causes = null;
    this.shown = filter(run, this.state, null);
    this.marked = {
      messages: /** @type {number[]} */ ([]),
      operations: /** @type {number[]} */ ([]),
    };
    this.readTexts = async () => {
      this.texts ??= await readTexts();
      this.causes ??= new Causes(run, this.texts);
      return this.causes;
    };
    this.diagram.source = () => [this.state, this.shown, this.marked];
    this.diagram.drawn = (scene) => this.tell(scene);
    listen(this.diagram.canvas, this.moves());
    addEventListener("hashchange", () => this.reopen());
  }

  layout() {
    const stage = make("div", { class: "stage" }, this.diagram.box, this.tip);
    return make(
      "section",
      { class: "diagram" },
      make("h2", {}, "Messages in time"),
      ...missing(this.run).map((text) => make("p", { class: "warning" }, text)),
      this.controls.element,
      legend(this.run, this.diagram.typeColors, (change) => this.change(change)),
      stage,
      this.status,
      this.knowers,
      this.inspector.element,
      make("p", { class: "note", id: "keys" }, KEYS),
    );
  }

  /** @returns {import("./gestures.js").Moves} */
  moves() {
    return {
      zoom: (factor, x) => this.zoom(factor, x),
      pan: (pixels) => this.pan(pixels),
      scroll: (pixels) => this.diagram.box.scrollBy(0, pixels),
      all: () => this.change(this.all),
      click: (x, y) => this.click(x, y),
      hover: (x, y) => this.hover(x, y),
      leave: () => {
        this.tip.hidden = true;
      },
      step: (by) => this.step(by),
      stepEvent: (by) => this.stepEvent(by),
      clear: () => this.select(null),
    };
  }

  /** Shows what the address says. */
  async reopen() {
    await this.show(fromHash(location.hash, this.run));
    if (this.state.finding === null) return;
    this.element.scrollIntoView();
    this.diagram.canvas.focus({ preventScroll: true });
  }

  /** @param {Partial<State>} change */
  async change(change) {
    await this.show({ ...this.state, ...change });
    clearTimeout(this.writing);
    this.writing = setTimeout(() => this.write(), REST);
  }

  /** Writes into the address what is shown. */
  write() {
    const hash = toHash(this.state, this.run);
    if (hash !== location.hash) history.replaceState(null, "", hash || location.pathname);
  }

  /** @param {State} state */
  async show(state) {
    const last = this.state;
    this.state = state;
    this.controls.show(state);
    const isSelected = state.message !== null || state.operation !== null;
    if (needsTexts(state) || isSelected) await this.readTexts();
    if (this.state !== state) return;
    if (isFilterChanged(last, state) || needsTexts(state)) this.refilter();
    this.mark();
    this.diagram.request();
  }

  refilter() {
    const { run, state, shown } = this;
    this.shown = filter(run, state, this.texts);
    const known = state.value === "" ? "" : knowers(run, state.value, this.shown.known);
    this.knowers.textContent = known;
    if (shown.messages.length === 0) this.diagram.request();
  }

  /** Marks the messages and operations of a finding, and of what is selected. */
  mark() {
    const { run, state, causes } = this;
    const hasKeyboard = this.inspector.element.contains(document.activeElement);
    const finding = run.findings.find(({ number }) => number === state.finding);
    const messages = (finding?.messages ?? []).flatMap((id) => rowsOf(run.messages, id));
    const ops = finding?.ops ?? [];
    const operations = ops.flatMap((index) => rowOfOperation(run.operations, index));
    this.inspector.fill();
    if (this.event !== null) {
      this.inspector.fill(make("h3", {}, describeEvent(run, this.event, this.texts)));
    }
    if (causes && state.message !== null) {
      const [message] = rowsOf(run.messages, state.message);
      if (message !== undefined) this.markMessage(message, causes, messages, operations);
    } else if (causes && state.operation !== null) {
      for (const operation of rowOfOperation(run.operations, state.operation)) {
        this.inspector.operation(operation, causes);
        operations.push(operation);
        messages.push(...rowsIn(causes.messagesOf(operation), "message"));
      }
    }
    this.marked = { messages, operations };
    if (hasKeyboard) this.inspector.focus(this.diagram.canvas);
  }

  /**
   * @param {number} message
   * @param {Causes} causes
   * @param {number[]} messages
   * @param {number[]} operations
   */
  markMessage(message, causes, messages, operations) {
    this.inspector.message(message, causes);
    const cause = causes.causeOf(message);
    const related = [...(cause ? [cause] : []), ...causes.effectsOf(message)];
    messages.push(message, ...rowsIn(related, "message"));
    operations.push(...rowsIn(related, "operation"));
  }

  /**
   * @param {Cause | null} cause
   */
  async select(cause) {
    this.event = null;
    const { messages, operations } = this.run;
    const message = cause && "message" in cause ? messages.id[cause.message] : null;
    const operation = cause && "operation" in cause ? operations.index[cause.operation] : null;
    await this.change({ message, operation });
    if (cause && "message" in cause) {
      this.see(messages.sent[cause.message], messages.ended[cause.message]);
      this.diagram.reveal([messages.from[cause.message], messages.to[cause.message]]);
    } else if (cause) {
      this.see(operations.began[cause.operation], operations.ended[cause.operation]);
      this.diagram.reveal([operations.client[cause.operation]]);
    }
  }

  /**
   * Moves so that a span is in view, if it is not.
   * @param {number} from
   * @param {number} to
   */
  see(from, to) {
    if (to >= this.state.from && from <= this.state.to) return;
    const half = (this.state.to - this.state.from) / 2;
    this.change(move(this.state, (from + to) / 2 - this.state.from - half, this.all));
  }

  /**
   * @param {number} factor
   * @param {number} [x]
   */
  zoom(factor, x) {
    const { scene } = this.diagram;
    if (!scene) return;
    const at = timeAt(scene, x ?? (scene.left + scene.width) / 2);
    this.change(zoom(this.state, factor, at, this.all));
  }

  /** @param {number} pixels */
  pan(pixels) {
    const { scene } = this.diagram;
    if (!scene) return;
    const by = (pixels / (scene.width - scene.left)) * (this.state.to - this.state.from);
    this.change(move(this.state, by, this.all));
  }

  /**
   * @param {number} x
   * @param {number} y
   */
  click(x, y) {
    const { scene } = this.diagram;
    if (!scene) return;
    const operation = pickOperation(scene, x, y);
    const message = operation === null ? pickMessage(scene, x, y) : null;
    // A finger does not hover: it is told the rest when it taps.
    this.hover(x, y);
    this.select(operation !== null ? { operation } : message !== null ? { message } : null);
  }

  /**
   * @param {number} x
   * @param {number} y
   */
  hover(x, y) {
    const { scene } = this.diagram;
    const text = scene ? describeAt(scene, x, y, this.texts) : "";
    this.pointer = { x, y };
    this.tip.hidden = text === "";
    this.tip.textContent = text;
    const right = Math.max(0, this.diagram.box.clientWidth - 320);
    this.tip.style.left = `${Math.min(x + 12, right)}px`;
    this.tip.style.top = `${y + 14}px`;
    this.diagram.canvas.style.cursor = text ? "pointer" : "grab";
    if (!this.texts && scene && pickEvent(scene, x, y) !== null) this.hoverWithTexts();
  }

  /** Says again what is under the pointer, when it is known what events say. */
  async hoverWithTexts() {
    await this.readTexts();
    this.hover(this.pointer.x, this.pointer.y);
  }

  /**
   * Selects the next message that is shown, or the one before.
   * @param {number} by
   */
  step(by) {
    const { messages } = this.run;
    const { message, from } = this.state;
    const here =
      message !== null
        ? rowsOf(messages, message)[0]
        : firstAtLeast(messages.sent, from) - (by > 0 ? 1 : 0);
    let row = here + by;
    while (row >= 0 && row < messages.count && !this.shown.messages[row]) row += by;
    if (row >= 0 && row < messages.count) this.select({ message: row });
  }

  /**
   * Tells of the next event of a node that is shown, or of the one before.
   * @param {number} by
   */
  async stepEvent(by) {
    const { time, place, count } = this.run.events;
    const here = this.event ?? firstAtLeast(time, this.state.from) - (by > 0 ? 1 : 0);
    let event = here + by;
    while (event >= 0 && event < count && !this.shown.events[event]) event += by;
    if (event < 0 || event >= count) return;
    await this.readTexts();
    await this.select(null);
    this.event = event;
    this.see(time[event], time[event]);
    this.diagram.reveal([place[event]]);
    this.mark();
  }

  /** @param {import("./scene.js").Scene} scene */
  tell(scene) {
    const { messages, operations, span } = scene;
    const dense = isDense(scene) ? " Zoom in, or filter, to see each as an arrow." : "";
    const text = `${counted(messages.length, "message")} and ${counted(operations.length, "operation")} ${ends(span)}.${dense}`;
    this.status.textContent = text;
    this.diagram.canvas.setAttribute("aria-label", `Space-time diagram: ${text}`);
  }
}

/**
 * @param {State} last
 * @param {State} next
 */
function isFilterChanged(last, next) {
  const { from, to, message, operation, finding, ...others } = next;
  return Object.entries(others).some(
    ([name, value]) => last[/** @type {keyof State} */ (name)] !== value,
  );
}

/**
 * @param {Cause[]} causes
 * @param {"message" | "operation"} kind
 */
function rowsIn(causes, kind) {
  return causes.flatMap((cause) => {
    const row = /** @type {Record<string, number>} */ (cause)[kind];
    return row === undefined ? [] : [row];
  });
}
