/** Begins: reads the run that the page carries, and shows it. */

import { App } from "./app.js";
import { inflate } from "./binary.js";
import { isLog, offsets } from "./offsets.js";
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

async function begin() {
  const place = document.getElementById("messages");
  if (!place) return;
  const run = readRun(await inflate(take("run")));
  const app = new App(run, () => Texts.read(take("texts"), run));
  place.replaceChildren(
    app.element,
    traffic(run, (change) => app.change(change)),
  );
  await app.reopen();
  requestAnimationFrame(() => performance.mark("drawn"));
  if (isLog(run)) place.append(offsets(run, (await app.readTexts()).texts));
}

begin();
