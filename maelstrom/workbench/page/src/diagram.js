/**
 * The space-time diagram: a canvas in a box that scrolls.
 *
 * The canvas stays in place and is as large as the box, however many lines there are; what is
 * drawn on it depends on how far the box is scrolled. It is drawn at most once a frame.
 */

import { colors, colorsOfTypes } from "./colors.js";
import { make } from "./dom.js";
import { draw } from "./draw.js";
import { lanes } from "./lanes.js";
import { Overlaps } from "./visible.js";

/** @typedef {import("./run.js").Run} Run */
/** @typedef {import("./scene.js").Scene} Scene */
/** @typedef {import("./state.js").State} State */
/** @typedef {import("./filter.js").Shown} Shown */

/** The share of the window's height that the box may take. */
const SHARE = 0.75;

export class Diagram {
  /** @param {Run} run */
  constructor(run) {
    this.run = run;
    this.canvas = make("canvas", {
      tabindex: "0",
      role: "application",
      "aria-describedby": "keys",
    });
    this.spacer = make("div", { class: "spacer" });
    this.box = make("div", { class: "scroller" }, this.canvas, this.spacer);
    this.messages = new Overlaps(run.messages.sent, run.messages.ended);
    this.operations = new Overlaps(run.operations.began, run.operations.ended);
    this.busy = new Set(run.operations.client);
    this.typeColors = colorsOfTypes(run);
    this.colors = colors();
    /** @type {Scene | null} */
    this.scene = null;
    /** @type {(() => Parameters<Diagram["compose"]>) | null} */
    this.source = null;
    this.isDue = false;
    /** @type {(scene: Scene) => void} */
    this.drawn = () => {};
    this.box.addEventListener("scroll", () => this.request());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.recolor());
    for (const event of ["beforeprint", "afterprint"]) {
      window.addEventListener(event, () => this.recolor());
    }
    new ResizeObserver(() => this.request()).observe(this.box);
  }

  recolor() {
    this.colors = colors();
    this.paint();
  }

  /** Draws with the next frame. */
  request() {
    if (this.isDue) return;
    this.isDue = true;
    requestAnimationFrame(() => this.paint());
  }

  paint() {
    this.isDue = false;
    if (!this.source) return;
    this.scene = this.compose(...this.source());
    draw(this.scene);
    this.drawn(this.scene);
  }

  /**
   * @param {State} state
   * @param {Shown} shown
   * @param {{messages: number[], operations: number[]}} marked
   * @returns {Scene}
   */
  compose(state, shown, marked) {
    const rows = lanes(this.run, this.busy, state, window.innerHeight * SHARE);
    this.box.style.height = `${Math.min(rows.height + 2, window.innerHeight * SHARE)}px`;
    this.spacer.style.height = `${rows.height}px`;
    const { width, height } = this.resize();
    const span = { from: state.from, to: state.to };
    return {
      canvas: /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d")),
      width,
      height,
      left: this.gutter(rows),
      scroll: this.box.scrollTop,
      span,
      lanes: rows,
      run: this.run,
      colors: this.colors,
      typeColors: this.typeColors,
      messages: this.messages.within(span, shown.messages),
      operations: this.operations.within(span, shown.operations),
      marked: marked.messages,
      markedOperations: marked.operations,
      known: shown.known,
      events: shown.events,
      isFaded: state.finding !== null && marked.messages.length > 0,
      node: this.run.places.findIndex((place) => place.name === state.node),
    };
  }

  /** Makes the canvas as large as its box, in pixels of the screen. */
  resize() {
    const [width, height] = [this.box.clientWidth, this.box.clientHeight];
    const ratio = window.devicePixelRatio || 1;
    const [wide, high] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (this.canvas.width !== wide || this.canvas.height !== high) {
      this.canvas.width = wide;
      this.canvas.height = high;
      this.canvas.style.width = `${width}px`;
      this.canvas.style.height = `${height}px`;
    }
    this.canvas.getContext("2d")?.setTransform(ratio, 0, 0, ratio, 0, 0);
    return { width, height };
  }

  /** @param {import("./lanes.js").Lanes} rows */
  gutter(rows) {
    const lengths = rows.places.map((place) => this.run.places[place].name.length);
    return 14 + 6.5 * lengths.reduce((most, length) => Math.max(most, length), 2);
  }

  /**
   * Scrolls so that the lines of places can be seen.
   * @param {number[]} places
   */
  reveal(places) {
    const rows = places
      .map((place) => this.scene?.lanes.rows[place] ?? -1)
      .filter((row) => row >= 0);
    if (!this.scene || rows.length === 0) return;
    const { step, top: above } = this.scene.lanes;
    const [top, bottom] = [Math.min(...rows) * step, (Math.max(...rows) + 1) * step + above];
    const { scrollTop, clientHeight } = this.box;
    if (top < scrollTop || bottom > scrollTop + clientHeight) this.box.scrollTop = top - step;
  }
}
