/**
 * Drives Chromium over a pipe, by its DevTools protocol: no package is needed for that.
 *
 * Messages are JSON, each with a zero byte behind it, on file descriptors 3 and 4 of the browser.
 */

import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const NAMES = ["chromium", "chromium-browser", "google-chrome"];

/** @typedef {import("node:stream").Readable} Readable */
/** @typedef {import("node:stream").Writable} Writable */

function find() {
  const names = process.env.CHROMIUM ? [process.env.CHROMIUM] : NAMES;
  const name = names.find((name) => spawnSync(name, ["--version"]).status === 0);
  if (name) return name;
  throw new Error(
    `There is no Chromium here (looked for ${names.join(", ")}): install Debian's package chromium, or say where it is with CHROMIUM=…`,
  );
}

export class Browser {
  constructor() {
    this.profile = mkdtempSync(join(tmpdir(), "report-page-"));
    const flags = ["--headless", "--no-sandbox", "--remote-debugging-pipe", "--disable-gpu"];
    const profile = `--user-data-dir=${this.profile}`;
    this.process = spawn(find(), [...flags, profile, "--hide-scrollbars", "about:blank"], {
      stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
    });
    this.input = /** @type {Writable} */ (this.process.stdio[3]);
    this.last = 0;
    /** @type {Map<number, {resolve: (result: any) => void, reject: (error: Error) => void}>} */
    this.waiting = new Map();
    /** @type {((event: {method: string, params: any, sessionId?: string}) => void)[]} */
    this.listeners = [];
    this.read(/** @type {Readable} */ (this.process.stdio[4]));
  }

  /** @param {Readable} output */
  read(output) {
    let rest = "";
    output.setEncoding("utf8").on("data", (/** @type {string} */ text) => {
      const parts = (rest + text).split("\0");
      rest = parts.pop() ?? "";
      for (const part of parts) this.take(JSON.parse(part));
    });
  }

  /** @param {any} message */
  take(message) {
    const waiting = this.waiting.get(message.id);
    if (!waiting) {
      for (const listener of this.listeners) listener(message);
      return;
    }
    this.waiting.delete(message.id);
    if (message.error) waiting.reject(new Error(message.error.message));
    else waiting.resolve(message.result);
  }

  /**
   * @param {string} method
   * @param {object} params
   * @param {string} [sessionId]
   * @returns {Promise<any>}
   */
  send(method, params = {}, sessionId = undefined) {
    const id = ++this.last;
    this.input.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    return new Promise((resolve, reject) => this.waiting.set(id, { resolve, reject }));
  }

  /**
   * Opens a page of this size.
   * @param {{width: number, height: number}} size
   */
  async open({ width, height } = { width: 1280, height: 900 }) {
    const { targetId } = await this.send("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await this.send("Target.attachToTarget", { targetId, flatten: true });
    const page = new Page(this, sessionId);
    await page.send("Page.enable");
    await page.send("Runtime.enable");
    await page.send("Performance.enable", { timeDomain: "threadTicks" });
    await page.resize(width, height);
    return page;
  }

  async close() {
    const exited = new Promise((resolve) => this.process.once("exit", resolve));
    await this.send("Browser.close");
    await exited;
    rmSync(this.profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

export class Page {
  /**
   * @param {Browser} browser
   * @param {string} session
   */
  constructor(browser, session) {
    this.browser = browser;
    this.session = session;
    /** @type {string[]} what went wrong in the page's script */
    this.errors = [];
    browser.listeners.push(({ method, params, sessionId }) => {
      if (sessionId !== session || method !== "Runtime.exceptionThrown") return;
      this.errors.push(params.exceptionDetails.exception?.description ?? "unknown");
    });
  }

  /**
   * @param {string} method
   * @param {object} params
   */
  send(method, params = {}) {
    return this.browser.send(method, params, this.session);
  }

  /**
   * @param {number} width
   * @param {number} height
   * @param {boolean} mobile
   */
  async resize(width, height, mobile = false) {
    const size = { width, height, deviceScaleFactor: 1, mobile };
    await this.send("Emulation.setDeviceMetricsOverride", size);
    await this.send("Emulation.setTouchEmulationEnabled", { enabled: mobile });
  }

  /** @param {"dark" | "light"} scheme */
  async scheme(scheme) {
    const features = [{ name: "prefers-color-scheme", value: scheme }];
    await this.send("Emulation.setEmulatedMedia", { features });
  }

  /**
   * Goes to a page and waits until it has drawn.
   * @param {string} url
   * @returns {Promise<number>} after how many milliseconds it had
   */
  async go(url) {
    await this.send("Page.navigate", { url: "about:blank" });
    await this.send("Page.navigate", { url });
    await this.until(`performance.getEntriesByName("drawn").length > 0`);
    return this.evaluate(`performance.getEntriesByName("drawn")[0].startTime`);
  }

  /**
   * The value of an expression in the page.
   * @param {string} expression
   * @returns {Promise<any>}
   */
  async evaluate(expression) {
    const options = { expression, awaitPromise: true, returnByValue: true };
    const { result, exceptionDetails } = await this.send("Runtime.evaluate", options);
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? expression);
    return result.value;
  }

  /**
   * Waits for an expression to become true.
   * @param {string} expression
   * @param {number} patience in milliseconds
   */
  async until(expression, patience = 30_000) {
    const end = Date.now() + patience;
    while (!(await this.evaluate(expression))) {
      if (Date.now() > end) throw new Error(`It never came true: ${expression}`);
      await this.frame();
    }
  }

  /** For how long the page's main thread has worked, in milliseconds of a processor. */
  async worked() {
    const { metrics } = await this.send("Performance.getMetrics");
    const task = metrics.find((/** @type {any} */ metric) => metric.name === "TaskDuration");
    return task.value * 1000;
  }

  /** Waits for two frames: whatever was asked for is drawn then. */
  async frame() {
    await this.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))");
  }

  /**
   * @param {"mouseMoved" | "mousePressed" | "mouseReleased" | "mouseWheel"} type
   * @param {number} x
   * @param {number} y
   * @param {object} more
   */
  mouse(type, x, y, more = {}) {
    return this.send("Input.dispatchMouseEvent", { type, x, y, button: "none", ...more });
  }

  /**
   * @param {number} x
   * @param {number} y
   */
  async click(x, y) {
    const left = { button: "left", clickCount: 1 };
    await this.mouse("mouseMoved", x, y);
    await this.mouse("mousePressed", x, y, left);
    await this.mouse("mouseReleased", x, y, left);
    await this.frame();
  }

  /** @param {string} key */
  async press(key) {
    const text = key.length === 1 ? key : undefined;
    await this.send("Input.dispatchKeyEvent", { type: "keyDown", key, text });
    await this.send("Input.dispatchKeyEvent", { type: "keyUp", key });
    await this.frame();
  }

  /**
   * Writes what is to be seen to a file.
   * @param {string} path
   */
  async screenshot(path) {
    const { data } = await this.send("Page.captureScreenshot", { format: "png" });
    writeFileSync(path, Buffer.from(data, "base64"));
  }
}
