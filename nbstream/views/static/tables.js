// @ts-check
// The buttons at a table. What they copy is written by the kernel, from what the model wrote.

import { createCopyButton } from "./copying.js";

/** @typedef {(what: {part: string, [name: string]: any}) => Promise<string | null>} Source
 *   gives the text of a part of the answer, as the kernel writes it; null where it cannot now,
 *   and "" where it does not know */

/**
 * @param {Element} block a sealed block, which may be or hold tables
 * @param {Element} root the answer's
 * @param {Source} source
 */
export function addTableTools(block, root, source) {
  const tables = block.matches(".nbs-table") ? [block] : block.querySelectorAll(".nbs-table");
  for (const table of tables) {
    if (table.querySelector(":scope > .nbs-table-tools")) continue;
    /** @param {string} form */
    const get = (form) => {
      const number = Array.from(root.querySelectorAll(".nbs-table")).indexOf(table);
      return source({ part: "table", number, form });
    };
    const tools = document.createElement("div");
    tools.className = "nbs-table-tools";
    tools.append(
      createCopyButton("Markdown", "Copy the table as Markdown", () => get("markdown")),
      createCopyButton("CSV", "Copy the table as CSV", () => get("csv")),
    );
    table.prepend(tools);
  }
}
