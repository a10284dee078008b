/**
 * Begins the page of the store: the list of runs, one run, or two beside each other, as the
 * address says. What changes is pushed.
 */

import { compare } from "./compare.js";
import { make } from "./dom.js";
import { List } from "./list.js";
import { Live, oneRun } from "./one-run.js";
import { address } from "./runs.js";

/** @typedef {import("./runs.js").Run} Run */

const main = /** @type {HTMLElement} */ (document.querySelector("main"));
const view = make("div");
const trouble = make("p", { class: "bad", role: "alert" });
const list = new List(
  ({ text, workload, verdict }) => {
    const set = Object.entries({ text, workload, verdict }).filter(([, value]) => value);
    history.replaceState(null, "", `#${new URLSearchParams(set)}`);
  },
  ([a, b]) => {
    location.hash = String(new URLSearchParams({ a, b }));
  },
);

/** @type {EventSource | null} what pushes to what is shown */
let source = null;
/** How often the view was changed: whatever was asked for before is too late. */
let visit = 0;

/**
 * Listens to what is pushed. A server that is gone may come again.
 * @param {string} path
 * @param {(data: any, isFirst: boolean) => void} take
 * @param {() => void} [end]
 */
function listen(path, take, end = () => {}) {
  const opened = new EventSource(path);
  let isFirst = true;
  opened.onopen = () => {
    isFirst = true;
    trouble.textContent = "";
  };
  opened.onerror = () => {
    trouble.textContent = "Nothing comes any more: has workbench serve ended?";
  };
  opened.onmessage = ({ data }) => {
    take(JSON.parse(data), isFirst);
    isFirst = false;
    drawn();
  };
  opened.addEventListener("last", () => {
    opened.close();
    end();
  });
  source = opened;
}

/**
 * @param {string} id
 * @returns {Promise<import("./one-run.js").Details>}
 */
async function details(id) {
  const response = await fetch(address("/runs", id));
  if (!response.ok) throw new Error(`${id}: ${await response.text()}`);
  return response.json();
}

/** Shows what the address says. */
async function show() {
  source?.close();
  source = null;
  const now = ++visit;
  const asked = new URLSearchParams(location.hash.slice(1));
  const [run, a, b] = ["run", "a", "b"].map((name) => asked.get(name) ?? "");
  try {
    if (run) await showRun(run, now);
    else if (a && b) await showTwo(a, b, now);
    else showList(asked);
  } catch (error) {
    if (now === visit) put("Not there", make("p", {}, String(error)));
  }
}

/** @param {URLSearchParams} asked */
function showList(asked) {
  const field = (/** @type {string} */ name) => asked.get(name) ?? "";
  put("Runs", list.element);
  list.refilter({ text: field("text"), workload: field("workload"), verdict: field("verdict") });
  listen("/runs/events", ({ changed, gone }, isFirst) => {
    if (isFirst) list.clear();
    list.update(changed, gone);
  });
}

/**
 * @param {string} id
 * @param {number} now
 */
async function showRun(id, now) {
  const told = await details(id);
  if (now !== visit) return;
  if (told.run.state !== "under-way") {
    put(id, back(), ...oneRun(told));
    drawn();
    return;
  }
  const live = new Live();
  put(id, back(), ...live.elements);
  listen(`${address("/runs", id)}/events`, (update) => live.update(update), show);
}

/**
 * @param {string} a
 * @param {string} b
 * @param {number} now
 */
async function showTwo(a, b, now) {
  const [first, second] = await Promise.all([details(a), details(b)]);
  if (now !== visit) return;
  put("Two runs", back(), ...compare(first.run, second.run));
  drawn();
}

function back() {
  return make("p", {}, make("a", { href: "#", class: "back" }, "← All runs"));
}

/**
 * @param {string} title
 * @param {(Node | string)[]} elements
 */
function put(title, ...elements) {
  document.title = title;
  view.replaceChildren(...elements);
}

/** Tells whoever measures that there is something to see. */
function drawn() {
  requestAnimationFrame(() => performance.mark("drawn"));
}

/** @param {KeyboardEvent} event */
function key(event) {
  const isTyping = /^(INPUT|SELECT)$/.test(/** @type {Element} */ (event.target).tagName);
  if (event.key === "Escape" && view.firstChild !== list.element) location.hash = "";
  if (event.key === "Escape" && event.target === list.text) list.focus();
  if (event.key !== "/" || isTyping || view.firstChild !== list.element) return;
  event.preventDefault();
  list.text.focus();
}

main.replaceChildren(trouble, view);
addEventListener("hashchange", show);
addEventListener("keydown", key);
// A browser has few connections to one server: what nobody sees needs none.
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) show();
  else source?.close();
});
show();
