/** Begins: reads the run that the page carries, and shows it. */

import { App } from "./app.js";
import { inflate } from "./binary.js";
import { make } from "./dom.js";
import { untold } from "./missing.js";
import { isLog, offsets } from "./offsets.js";
import { termsTable } from "./roles.js";
import { readRun } from "./run.js";
import { Texts } from "./texts.js";
import { traffic } from "./traffic.js";

/**
 * The content of an element that only carries it, which is taken out.
 * @param {string} id
 */
function take(id) {
  const element = document.getElementById(id);
  element?.remove();
  return element?.textContent ?? "";
}

/** @param {HTMLElement} place where all of it goes */
async function show(place) {
  const run = readRun(await inflate(take("run")));
  const app = new App(run, () => Texts.read(take("texts"), run));
  place.replaceChildren(
    app.element,
    ...(run.roles.count > 0 ? [termsTable(run, (change) => app.change(change))] : []),
    ...(run.messages.count > 0 ? [traffic(run, (change) => app.change(change))] : []),
  );
  const why = untold(run);
  if (why) document.querySelector(".finding")?.append(make("p", { class: "note" }, why));
  await app.reopen();
  requestAnimationFrame(() => performance.mark("drawn"));
  if (!isLog(run)) return;
  const { texts } = await app.readTexts();
  const select = async (/** @type {number} */ operation) => {
    await app.select({ operation });
    app.element.scrollIntoView();
  };
  place.append(offsets(run, texts, select));
}

const place = document.getElementById("messages");
if (place) {
  show(place).catch((error) => {
    const text = `The messages cannot be shown here: ${error}. The trace beside this page has them.`;
    place.prepend(make("p", { class: "warning", role: "alert" }, text));
    throw error;
  });
}
