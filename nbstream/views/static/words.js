// @ts-check
// An answer as plain text, as far as the page alone knows it.

const BESIDE = "details, .nbs-code-tools, .nbs-table-tools, .nbs-copy, .nbs-status";

/**
 * @param {HTMLElement} root an answer's
 * @param {string[]} others selectors of what is left out, too
 * @returns {string} what a reader sees of it, without its folds and buttons
 */
export function wordsOf(root, ...others) {
  const copy = /** @type {HTMLElement} */ (root.cloneNode(true));
  for (const each of copy.querySelectorAll([BESIDE, ...others].join())) each.remove();
  const aside = document.createElement("div"); // in the page, where text has its lines
  aside.className = "nbs-announcer";
  aside.append(copy);
  document.body.append(aside);
  const words = copy.innerText.trim();
  aside.remove();
  return words;
}
