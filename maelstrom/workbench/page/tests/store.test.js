/** Opens the page of a store in Chromium, and does with it what a reader would. */

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { Browser } from "./browser.js";
import { Sample } from "./sample.js";

const workbench = process.env.WORKBENCH ?? "workbench";
const folder = mkdtempSync(join(tmpdir(), "store-page-test-"));
const store = join(folder, "store");
const echo = join(import.meta.dirname, "../../tests/nodes/echo.py");
const pictures = process.env.SCREENSHOTS;

/** @type {Browser} */
let browser;
/** @type {import("./browser.js").Page} */
let page;
/** @type {import("node:child_process").ChildProcess} */
let server;
let address = "";

/**
 * @param {string} id
 * @param {object} results
 * @param {object} settings
 */
function write(id, results, settings) {
  const run = join(store, id);
  mkdirSync(run, { recursive: true });
  writeFileSync(join(run, "results.json"), JSON.stringify(results));
  writeFileSync(join(run, "test.json"), JSON.stringify({ settings, command: "workbench test" }));
}

before(async () => {
  const stats = { count: 200, "ok-count": 200, "fail-count": 0, "info-count": 0 };
  const net = (/** @type {number} */ perOp) => ({ servers: { "msgs-per-op": perOp } });
  const finding = { kind: "lost", text: "<b>7</b> is lost", why: "nobody sent it" };
  write(
    "broadcast/20260101T100000.000Z",
    { "valid?": true, stats, net: net(4) },
    { Faults: "none", Nodes: "5" },
  );
  write(
    "broadcast/20260102T100000.000Z",
    {
      "valid?": false,
      stats: { ...stats, "ok-count": 199 },
      net: net(5),
      workload: { findings: [finding] },
    },
    { Faults: "partition every 10 s or so, kill every 2.5 s or so", Nodes: "5" },
  );
  mkdirSync(join(store, "echo/20260103T100000.000Z"), { recursive: true });
  writeFileSync(join(store, "echo/20260103T100000.000Z/results.json"), "{");
  const run = join(store, "broadcast/20260102T100000.000Z");
  new Sample({ nodes: 3, operations: 50, readEvery: 2, retries: true }).write(run);
  const [history, report] = [join(run, "history.jsonl"), join(run, "report.html")];
  spawnSync(workbench, ["check", "-w", "broadcast", "--report", report, history]);
  server = spawn(workbench, ["serve", "--port", "0", "--store", store]);
  const [line] = server.stdout ? await once(server.stdout, "data") : [""];
  address = /http:\S+/.exec(String(line))?.[0] ?? "";
  browser = new Browser();
  page = await browser.open();
});

beforeEach(async () => {
  await page.go(address);
});

after(async () => {
  await browser?.close();
  server?.kill();
  rmSync(folder, { recursive: true, force: true });
});

/** @param {string} selector */
function text(selector) {
  return page.evaluate(`document.querySelector(${JSON.stringify(selector)}).textContent`);
}

/** What the cells of a column of the list say. @param {number} column */
function cells(column) {
  const selector = `tbody td:nth-child(${column})`;
  return page.evaluate(
    `[...document.querySelectorAll("${selector}")].map((cell) => cell.textContent)`,
  );
}

/** @param {string} name */
async function picture(name) {
  if (pictures) await page.screenshot(join(pictures, `${name}.png`));
}

test("the list has the newest first, is filtered, and leads to a run and its report", async () => {
  assert.deepEqual((await cells(4)).slice(1), ["invalid", "valid"]);
  assert.match((await cells(4))[0], /^damaged: results\.json: EOF/);
  assert.deepEqual(await cells(5), ["", "partition, kill", "none"]);
  assert.deepEqual(await cells(7), ["–", "99.5 %", "100 %"]);
  const list = `document.querySelector(".runs")`;
  assert.ok(
    await page.evaluate(`${list}.scrollWidth <= ${list}.clientWidth`),
    "no column is out of sight",
  );
  await page.press("/");
  await page.send("Input.insertText", { text: "Partition lost" });
  await page.until(`document.querySelector("[role=status]").textContent === "1 of 3 runs"`);
  assert.equal(await page.evaluate("location.hash"), "#text=Partition+lost");
  await page.press("Escape");
  await page.evaluate("document.activeElement.click()");
  await page.until(`/^invalid broadcast, /.test(document.querySelector("h1")?.textContent)`);
  assert.equal(await text(".finding li"), "<b>7</b> is lostWhy: nobody sent it");
  await page.press("Escape");
  await page.until(`document.querySelectorAll("tbody tr").length === 3`);
  const report = await page.evaluate(`document.querySelector("td:last-child a").href`);
  await page.go(report);
  assert.match(await text("[role=status]"), /messages and \d+ operations/);
  assert.deepEqual(page.errors, []);
});

test("two runs are marked with keys and stand beside each other", async () => {
  await page.evaluate(`document.querySelectorAll("td:nth-child(2) a")[1].focus()`);
  await page.press("c");
  await page.press("ArrowDown");
  await page.press("c");
  await page.evaluate(`document.querySelector("[name=compare]").click()`);
  await page.until(`document.querySelector("h1").textContent === "Two runs"`);
  await page.evaluate(`document.querySelector("[type=checkbox]").click()`);
  const rows = await page.evaluate(
    `[...document.querySelectorAll("tbody tr")].map((row) => [...row.children].map((cell) => cell.textContent))`,
  );
  assert.deepEqual(rows, [
    ["Verdict", "invalid", "valid", ""],
    ["Faults", "partition every 10 s or so, kill every 2.5 s or so", "none", ""],
    ["ok", "199", "200", "+0.5 %"],
    ["messages an operation", "5", "4", "-20 %"],
    ["found: lost", "1", "0", ""],
  ]);
  await picture("compare");
  assert.deepEqual(page.errors, []);
});

test("a run that is under way moves by itself, and is replaced by what came of it", async (context) => {
  const flags =
    "--node-count 1 --time-limit 600 --rate 50 --nemesis loss,duplicate --nemesis-interval 2.5".split(
      " ",
    );
  const words = ["test", "-w", "echo", "--bin", echo, "--store", store, ...flags];
  const bench = spawn(workbench, words, { stdio: "ignore" });
  // Whatever fails, nobody waits for its time limit.
  context.after(() => bench.kill("SIGINT"));
  await page.until(`document.querySelector("tbody progress")`);
  assert.equal((await cells(5))[0], "loss, duplicate");
  await page.evaluate(`document.querySelector("tbody a").click()`);
  const count = `Number(document.querySelector("tbody td:nth-child(2)")?.textContent ?? 0)`;
  await page.until(`${count} > 0`);
  assert.match(await text(".phase"), /^\d+\.\d s {2}running {2}\d+ operations/);
  // Faults may stand before it.
  await page.until(
    String.raw`/^{"index":\d+,.*"f":"echo"/m.test(document.querySelector(".last").textContent)`,
  );
  const first = await page.evaluate(count);
  await page.until(`${count} > ${first}`);
  await picture("live");
  bench.kill("SIGINT");
  await page.until(`/^unknown echo/.test(document.querySelector("h1").textContent)`);
  if (bench.exitCode === null) await once(bench, "exit");
  assert.deepEqual(page.errors, []);
});

test("on a phone nothing sticks out, and it is dark where the reader likes it dark", async () => {
  await page.resize(390, 844, true);
  await page.scheme("dark");
  await page.frame();
  assert.equal(await page.evaluate("document.scrollingElement.scrollWidth"), 390);
  const colour = "getComputedStyle(document.body).backgroundColor";
  assert.equal(await page.evaluate(colour), "rgb(13, 17, 23)");
  const list = `document.querySelector(".runs")`;
  assert.ok(await page.evaluate(`${list}.scrollWidth <= ${list}.clientWidth`), "nor the list");
  await picture("runs-phone");
  await page.evaluate(`document.querySelectorAll("td:nth-child(2) a")[1].click()`);
  await page.until(`document.querySelector(".files")`);
  assert.equal(await page.evaluate("document.scrollingElement.scrollWidth"), 390);
  await page.resize(1280, 900);
  await page.scheme("light");
});
