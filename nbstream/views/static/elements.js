// @ts-check
// The elements that the panel is made of.

const ICONS = {
  attach: "M13 7.5l-5.2 5.2a3.2 3.2 0 01-4.5-4.5l6-6a2.1 2.1 0 013 3l-6 6a1 1 0 01-1.5-1.5L10 4.5",
  send: "M8 13.5v-11M3.5 7L8 2.5 12.5 7",
  copy: "M6 6h7.5v7.5H6zM3.5 10H2.5V2.5H10v1",
  again: "M13 8a5 5 0 11-1.5-3.6L13 6M13 2.5V6H9.5",
  edit: "M2.5 13.5l.7-3L10.7 3l2.3 2.3-7.5 7.5z",
  remove: "M2.5 4h11M6 4V2.5h4V4M4 4l.7 9.5h6.6L12 4M6.7 6.5v4.5M9.3 6.5v4.5",
  previous: "M10 3L5 8l5 5",
  next: "M6 3l5 5-5 5",
  settings: "M2.5 4.5h5m3 0h3M2.5 11.5h2m3 0h6M9 3v3M6 10v3",
  clear: "M3 3l10 10M13 3L3 13",
  preview: "M1.5 8s2.5-4.5 6.5-4.5S14.5 8 14.5 8 12 12.5 8 12.5 1.5 8 1.5 8zM8 6a2 2 0 100 4 2 2 0 000-4",
  down: "M8 2.5v11M3.5 9L8 13.5 12.5 9",
};

/** @typedef {keyof typeof ICONS} Icon */

const SVG = "http://www.w3.org/2000/svg";

/** @param {Icon} name */
function createIcon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/**
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {string} name its class, behind `nbs-`
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function make(tag, name, ...children) {
  const element = document.createElement(tag);
  if (name) element.className = `nbs-${name}`;
  element.append(...children);
  return element;
}

/**
 * A button with an icon, and with a text where it is to be read.
 * @param {Icon} icon
 * @param {string} label what it does
 * @param {() => void | Promise<unknown>} onClick as long as it takes, further clicks do nothing
 * @param {string} [text]
 */
export function createTool(icon, label, onClick, text = "") {
  const button = make("button", "tool", createIcon(icon), ...(text ? [text] : []));
  button.type = "button";
  button.title = label;
  if (label !== text) button.setAttribute("aria-label", label);
  button.addEventListener("click", async () => {
    if (button.ariaDisabled === "true") return;
    const doing = onClick();
    if (!doing) return;
    button.ariaDisabled = "true";
    await doing;
    button.ariaDisabled = "false";
  });
  return button;
}

/**
 * @param {string} label
 * @param {HTMLElement} field
 */
export function createField(label, field) {
  return make("label", "field", make("span", "", label), field);
}

/**
 * Pictures and names of files that go with a question.
 * @param {string[]} pictures addresses
 * @param {string[]} files
 */
export function createAttachments(pictures, files) {
  const list = make("div", "attachments");
  for (const address of pictures) {
    const picture = make("img", "picture");
    picture.src = address;
    picture.alt = "attached picture";
    list.append(picture);
  }
  for (const file of files) list.append(make("span", "chip", file));
  return list;
}

/**
 * An attachment that can be taken away again.
 * @param {{name: string, url: string}} file `url` is a picture's, or empty
 * @param {() => void} onRemove
 */
export function createChip({ name, url }, onRemove) {
  const chip = make("span", "chip");
  for (const picture of url ? Array.from(createAttachments([url], []).children) : []) {
    picture.addEventListener("error", () => picture.remove()); // it only calls itself one
    chip.append(picture);
  }
  chip.append(make("span", "chip-name", name), createTool("clear", `Remove ${name}`, onRemove));
  return chip;
}
