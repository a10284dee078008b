/** What modules work out without a browser. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { addUp, NONE, readColumns, wide } from "../src/binary.js";
import { ink } from "../src/colors.js";
import { describe, groups, hit } from "../src/faults.js";
import { knowers } from "../src/inspector.js";
import { missing, untold } from "../src/missing.js";
import { firstAbove, firstAtLeast, readKnowledge } from "../src/run.js";
import { latency, matches, order, rows, succeeded } from "../src/runs.js";
import { spread } from "../src/spread.js";
import { fromHash, toHash } from "../src/state.js";
import { isWhole, Texts } from "../src/texts.js";
import { duration, ends, moment, move, ticks, zoom } from "../src/times.js";
import { Overlaps } from "../src/visible.js";

/**
 * A run of three nodes and a client with these messages: from, to, sent, ended, fate, and 1 if
 * it is a read.
 * @param {[number, number, number, number, number, number?][]} rows
 * @returns {any}
 */
function run(rows = []) {
  const names = ["n0", "n1", "n2", "c3"];
  const places = names.map((name) => ({ name, kind: name.startsWith("n") ? "node" : "client" }));
  const column = (/** @type {number} */ i) => rows.map((row) => row[i] ?? 0);
  const [from, to, sent, ended, fate, type] = [0, 1, 2, 3, 4, 5].map(column);
  const messages = { count: rows.length, from, to, sent, ended, fate, type, long: new Map() };
  const types = ["gossip", "read"];
  const operations = { count: 0, began: /** @type {number[]} */ ([]) };
  return { begin: 0, end: 10e6, places, types, messages, operations, findings: [] };
}

test("a section is a header and columns, whose differences are added up", () => {
  const header = new TextEncoder().encode('{"columns":[["a",2],["b",1]]} ');
  const bytes = new Uint8Array(4 + 32 + 12);
  bytes.set([header.length, 0, 0, 0]);
  bytes.set(header, 4);
  bytes.set([7, 0, 0, 0, 1, 1, 0, 0, 9], 36);
  const { columns } = readColumns(bytes.buffer);
  assert.deepEqual([...columns.a, ...columns.b], [7, 257, 9]);
  assert.deepEqual([...addUp(columns.a, -10)], [-3, 254]);
});

test("what is under the pointer stays there when it zooms", () => {
  const all = { from: 0, to: 1000 };
  assert.deepEqual(zoom({ from: 100, to: 300 }, 0.5, 150, all), { from: 125, to: 225 });
  assert.deepEqual(zoom({ from: 100, to: 300 }, 100, 150, all), all);
  assert.deepEqual(move({ from: 100, to: 300 }, 5000, all), { from: 800, to: 1000 });
});

test("the ends of a span are as fine as a part of it can be seen", () => {
  assert.equal(ends({ from: -135852, to: 13996835 }), "from -0.14 s to 14.00 s");
  assert.equal(ends({ from: 1000, to: 1200 }), "from 0.001000 s to 0.001200 s");
});

test("an axis has round times with as many decimals as they need", () => {
  const labels = ticks({ from: 1_000_000, to: 1_004_000 }, 450).map(({ label }) => label);
  assert.deepEqual(labels, ["1.000 s", "1.001 s", "1.002 s", "1.003 s", "1.004 s"]);
  assert.equal(moment(-1_500_000), "-1.500 s");
  assert.deepEqual([7, 2500, 61_000_000].map(duration), ["7 µs", "2.50 ms", "61.0 s"]);
});

test("an address says what is shown, and a whole run needs none", () => {
  const empty = fromHash("", run());
  assert.equal(toHash(empty, run()), "");
  const state = {
    ...empty,
    from: 1_500_000,
    to: 2e6,
    node: "n1",
    value: '"ü"',
    message: 7,
    clients: false,
  };
  assert.deepEqual(fromHash(toHash(state, run()), run()), state);
  assert.deepEqual(fromHash("#from=9&to=2&message=x", run()), empty);
});

test("what is shown at first begins with the first operation", () => {
  const late = { ...run(), begin: -10e6, operations: { count: 2, began: [0, 5e6] } };
  const { from, to } = fromHash("", late);
  assert.deepEqual([from, to], [-0.2e6, 10.4e6]);
  assert.equal(toHash(fromHash("", late), late), "");
  assert.match(toHash({ ...fromHash("", late), from: -10e6 }, late), /from=-10&to=10.4/);
});

test("only messages whose sender knew the value carry it, as the bench says who did", () => {
  const of = run([
    [1, 2, 0, 1, 0], // has it by accident: n1 does not know the value yet
    [3, 2, 1, 2, 0, 1], // the client reads a key of that name
    [3, 0, 2, 3, 0], // the client asks n0 to keep it
    [0, 1, 3, 9, 0],
    [0, 2, 4, 6, 2], // dropped
    [1, 2, 9, 9, 0], // sent before n1 had it, in the same microsecond
    [1, 3, 9, 9, 0], // the answer to a client
  ]);
  const known = [
    [0, 3, 3],
    [1, 9, 6],
  ];
  const columns = {
    told_row: [2],
    told_count: [0, 1],
    known_count: [0, 2],
    known_place: known.map((row) => row[0]),
    known_time: known.map((row) => row[1]),
    known_row: known.map((row) => row[2]),
  };
  const numbers = Object.fromEntries(
    Object.entries(columns).map(([name, column]) => [name, Uint32Array.from(column)]),
  );
  of.knowledge = readKnowledge(numbers, ["7", '"ü"'], 0);
  const found = new Uint8Array(7).fill(1);
  const since = spread(of, '"\\u00fc"', found);
  assert.deepEqual(
    [...(since ?? [])],
    known.map(([place, time, row]) => [place, { time, row }]),
  );
  assert.deepEqual([...found], [0, 0, 1, 1, 1, 0, 1]);
  assert.deepEqual([...(spread(of, "7", new Uint8Array(7)) ?? [1])], []);
  assert.equal(spread(of, "8", found), null);
  assert.match(knowers(of, "8", null), /^No client told a node 8: shown are all messages/);
  of.knowledge = readKnowledge({}, null, 0);
  assert.match(knowers(of, "8", spread(of, "8", found)), /^It is not worked out who knew 8/);
});

test("numbers are as large as they are", () => {
  const of = (/** @type {number[]} */ ...numbers) => Uint32Array.from(numbers);
  const columns = { a: of(7, NONE, 1), a_high: of(0, 0, 2), b: of(3, NONE) };
  assert.deepEqual([...wide(columns, "a")], [7, NONE, 2 ** 33 + 1]);
  assert.deepEqual([...wide(columns, "b")], [3, NONE]);
  assert.deepEqual([...addUp(wide(columns, "a"), -7)].slice(-1), [2 ** 33 + 1 + NONE]);
});

test("a partition is told by who can still hear each other", () => {
  const both = (/** @type {number} */ a, /** @type {number} */ b) => [
    [a, b],
    [b, a],
  ];
  /** @type {any} */
  const fault = { fault: "partition", nodes: [], links: [...both(0, 1), ...both(0, 2)] };
  assert.deepEqual(groups(run(), fault), [[0], [1, 2]]);
  assert.equal(describe(run(), fault), "partition: n0 | n1 n2");
  const sides = hit(run(), fault, -1).map(({ place, side }) => [place, side]);
  assert.deepEqual(sides.sort(), [
    [0, 0],
    [1, 1],
    [2, 1],
  ]);
  assert.deepEqual(
    hit(run(), fault, 2)
      .map(({ place }) => place)
      .sort(),
    [0, 2],
  );
  const oneWay = { ...fault, fault: "one-way", links: [[0, 1]] };
  assert.equal(describe(run(), oneWay), "one-way: n0→n1");
  assert.equal(
    describe(run(), { ...fault, fault: "loss", links: [], everywhere: true }),
    "loss: every link",
  );
  assert.equal(describe(run(), { ...fault, links: [] }), "partition: hits nobody this time");
});

test("a value is found where it stands for itself", () => {
  const bodies = [
    '{"msg_id":26,"message":26}',
    '{"in_reply_to": 26}',
    '{"x":[126,26.5,-26]}',
    '{"26":1}',
  ];
  const sizes = { size: Uint32Array.from(bodies, (body) => body.length), count: bodies.length };
  const operations = { asked: Uint32Array.of(4), got: Uint32Array.of(NONE), count: 1 };
  const line = '"took 26 \\u00fc"';
  const events = { size: Uint32Array.of(line.length, 0), count: 2 };
  const all = [...bodies, "null", line].join("");
  const texts = new Texts(all, /** @type {any} */ ({ messages: sizes, operations, events }));
  const found = texts.find("26", isWhole);
  assert.deepEqual([...found.messages], [1, 0, 0, 1]);
  assert.deepEqual([[...found.operations], [...found.events]], [[0], [1, 0]]);
  assert.equal(texts.body(1), bodies[1]);
  assert.deepEqual(texts.valuesOf(0), { asked: "null", got: "" });
  assert.deepEqual([texts.words(0), texts.words(1)], ["took 26 ü", ""]);
});

test("what the page lacks is told, and from when on", () => {
  const messages = {
    count: 3,
    size: Uint32Array.of(5, NONE, NONE),
    sent: [0, 2e6, 3e6],
    long: new Map([[0, 9e4]]),
  };
  const operations = { count: 1, asked: Uint32Array.of(1), got: Uint32Array.of(0), began: [0] };
  const events = { count: 1, size: Uint32Array.of(NONE), time: [1e6] };
  const run = /** @type {any} */ ({
    messages,
    operations,
    events,
    gaps: [
      [5, 1200, 0],
      [9, 34, 56],
    ],
  });
  const [sentence, long, gaps, logs] = missing(run);
  assert.match(long, /no bodies of 1 message,/);
  assert.match(gaps, /^The trace leaves out 1,234 messages: /);
  assert.match(logs, /^The trace leaves out 56 lines that nodes logged: /);
  assert.match(
    sentence,
    /: 2 bodies of messages from 2.000 s on, 1 lines of logs from 1.000 s on /,
  );
});

test("of findings without a why it is told that messages are missing, if any are", () => {
  const findings = [{ span: null }, { span: { from: 0, to: 1 } }];
  const of = (/** @type {number[][]} */ gaps, told = findings) =>
    untold(/** @type {any} */ ({ findings: told, gaps }));
  assert.match(
    of([
      [5, 1200, 0],
      [9, 34, 0],
    ]),
    /^Why is not told of 1 finding: .* 1,234 messages, /,
  );
  assert.equal(of([[5, 0, 7]]), "");
  assert.equal(of([[5, 1200, 0]], findings.slice(1)), "");
});

test("what overlaps a span is found, however long ago it began", () => {
  const begins = Float64Array.from({ length: 1000 }, (_, i) => i);
  const ends = begins.map((begin) => (begin === 3 ? 900 : begin + 0.5));
  const shown = new Uint8Array(1000).fill(1);
  shown[801] = 0;
  const found = new Overlaps(begins, ends).within({ from: 800.2, to: 803 }, shown);
  assert.deepEqual([...found], [3, 800, 802, 803]);
  assert.deepEqual([firstAtLeast(begins, 5), firstAbove(begins, 5)], [5, 6]);
});

/**
 * A run in the list with these figures.
 * @param {string} id
 * @param {[string, number][]} figures
 * @returns {any}
 */
function listed(id, figures = [], more = {}) {
  const all = figures.map(([name, value]) => ({ name, value, unit: "" }));
  return { id, state: "ended", verdict: "valid", test: null, figures: all, findings: [], ...more };
}

test("runs are in the order of their times, and what is none comes last", () => {
  const ids = ["b/1", "a/2", "c/3", "a/1"];
  const runs = ids.map((id) => listed(id, [], { state: id === "c/3" ? "foreign" : "ended" }));
  assert.deepEqual(
    runs.sort(order).map(({ id }) => id),
    ["a/2", "a/1", "b/1", "c/3"],
  );
});

test("of two runs of one workload all is compared, and of two workloads what both have", () => {
  const runs = [
    listed("echo/1", [
      ["ok", 1],
      ["echo ok", 1],
    ]),
    listed("echo/2", [["ok", 2]]),
    listed(
      "kafka/3",
      [
        ["ok", 3],
        ["poll ok", 3],
      ],
      { findings: [{ kind: "lost", count: 4 }] },
    ),
  ];
  const compared = (/** @type {number} */ a, /** @type {number} */ b) =>
    rows(runs[a], runs[b])
      .slice(2)
      .map(({ name, values }) => [name, ...values]);
  assert.deepEqual(compared(0, 1), [
    ["ok", "1", "2"],
    ["echo ok", "1", "–"],
  ]);
  assert.deepEqual(compared(0, 2), [
    ["ok", "1", "3"],
    ["found: lost", "0", "4"],
  ]);
});

test("what stands on a colour can be read", () => {
  const css = readFileSync(new URL("../page.css", import.meta.url), "utf8");
  const all = [...css.matchAll(/--(?:series-\d|bad|doubt): (#[\da-f]{6})/g)].map((of) => of[1]);
  assert.equal(all.length, 16);
  const light = (/** @type {string} */ color) => {
    const parts = [1, 3, 5].map((at) => Number.parseInt(color.slice(at, at + 2), 16) / 255);
    const [red, green, blue] = parts.map((part) => ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  for (const color of all) {
    const [dark, bright] = [light(color), ink(color) === "#fff" ? 1 : 0].sort();
    assert.ok((bright + 0.05) / (dark + 0.05) > 4.4, color);
  }
});

test("every word of a filter has to be somewhere", () => {
  const run = listed("echo/1", [], { test: { settings: { Faults: "kill every 10 s or so" } } });
  const filter = { text: "", workload: "", verdict: "" };
  assert.ok(matches(run, filter) && matches(run, { ...filter, text: "KILL echo" }));
  assert.ok(!matches(run, { ...filter, text: "kill partition" }));
  assert.ok(!matches(run, { ...filter, verdict: "invalid" }));
});

test("a share of operations is not rounded up, and the main operation's latency is told", () => {
  const run = listed("echo/1", [
    ["operations", 100_000],
    ["ok", 99_999],
    ["read median", 1],
    ["write median", 2],
    ["read ok", 3],
    ["write ok", 4],
  ]);
  assert.equal(succeeded(run), "99.99 %");
  assert.equal(latency(run, "median"), "2");
});
