// @ts-check
// The button at a formula that copies its LaTeX.

import { createCopyButton } from "./copying.js";

/** @typedef {import("./tables.js").Source} Source */

const DELIMITED = /^(\$\$?|\\\(|\\\[)([^]*?)(\$\$?|\\\)|\\\])$/;

/**
 * @param {Element} block a sealed block, which may be or hold formulas
 * @param {(block: Element) => void} typeset sets the formulas in a block
 * @param {Source} [source] gives what the model wrote; without it, it is what is shown: the same
 *     formula, but sometimes in other words, which more typesetters know
 */
export function setFormulas(block, typeset, source) {
  const formulas = block.matches(".nbs-math") ? [block] : block.querySelectorAll(".nbs-math");
  const shown = Array.from(formulas, (formula) => formula.textContent ?? "");
  typeset(block); // some day later, in what stands there
  formulas.forEach((formula, i) => {
    if (formula.querySelector(":scope > .nbs-copy")) return;
    const button = createCopyButton("LaTeX", "Copy the formula as LaTeX", async () => {
      const written = await source?.({ part: "formula", shown: shown[i] });
      return written || shown[i].replace(DELIMITED, "$2").trim();
    });
    formula.append(button);
  });
}
