/** Makes elements. Text becomes text: nothing that a node said is ever read as HTML. */

/**
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, string | boolean | EventListener>} attributes listeners among them
 * @param {(Node | string)[]} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (typeof value === "boolean") element.toggleAttribute(name, value);
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/**
 * @param {string} label
 * @param {() => void} action
 * @param {string} [title]
 */
export function button(label, action, title = "") {
  return make("button", { type: "button", click: action, ...(title && { title }) }, label);
}

/**
 * Heads of columns, which say what they mean to a pointer and to the keyboard.
 * @param {readonly (readonly [string, string])[]} columns
 */
export function heads(columns) {
  return columns.map(([head, meaning]) => {
    const says = { class: "says", tabindex: "0", "data-says": meaning };
    return make("th", {}, make("span", says, head));
  });
}

/**
 * How many there are of something.
 * @param {number} count
 * @param {string} one its name
 */
export function counted(count, one) {
  return `${grouped(count)} ${one}${count === 1 ? "" : "s"}`;
}

/**
 * A number with its thousands apart.
 * @param {number} number
 */
export function grouped(number) {
  return number.toLocaleString("en");
}
