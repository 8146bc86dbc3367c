// @ts-check
// What stands below an answer that has ended: a mark if it is not whole, and its usage.

import { createFold } from "./folds.js";

/**
 * @param {{mark: string, usage: string, rows: [string, string][]}} summary
 * @returns {HTMLElement[]}
 */
export function createEnding({ mark, usage, rows }) {
  const elements = [];
  if (mark) {
    const note = document.createElement("p");
    note.className = "nbs-mark";
    note.dir = "auto";
    note.append(Object.assign(document.createElement("strong"), { textContent: `⚠ ${mark}` }));
    elements.push(note);
  }
  if (!usage) return elements;
  const fold = createFold(usage);
  fold.element.classList.add("nbs-usage");
  const table = fold.body.appendChild(document.createElement("table"));
  for (const cells of rows) {
    const row = table.insertRow();
    for (const cell of cells) row.insertCell().textContent = cell;
  }
  elements.push(fold.element);
  return elements;
}
