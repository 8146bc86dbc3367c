// @ts-check
// Formulas, set by the typesetter that Jupyter itself uses for rendered markdown.

import { guarded } from "./guarded.js";

const AT_ONCE = 400; // characters of TeX; the page moves on before the next are set
const EACH = 40; // characters that it takes as long to set as to begin a formula at all

/**
 * @typedef {{typeset: (element: HTMLElement) => unknown}} Typesetter
 */

/**
 * @param {any} widgetManager JupyterLab's and Notebook's has a rendermime registry; others
 *     have none, and the formulas stay as they are written
 * @returns {(root: Element) => void} sets all formulas in an element
 */
export function createTypesetter(widgetManager) {
  /** @type {Typesetter | undefined} */
  const typesetter = guarded(() => widgetManager?.rendermime?.latexTypesetter, undefined);
  /** @param {Element} formula stays as it is written where it cannot be set */
  const set = (formula) => {
    const done = guarded(() => typesetter?.typeset(/** @type {HTMLElement} */ (formula)), null);
    if (done instanceof Promise) done.catch(() => {});
  };
  /** @type {Element[]} */
  let waiting = [];
  let isBusy = false;

  const setSome = () => {
    let size = 0;
    let count = 0;
    while (count < waiting.length && size < AT_ONCE) {
      const formula = waiting[count];
      count += 1;
      if (formula.firstElementChild !== null) continue; // it is set
      size += EACH + (formula.textContent?.length ?? 0);
      set(formula);
    }
    waiting = waiting.slice(count).filter((formula) => formula.isConnected);
    isBusy = waiting.length > 0;
    if (isBusy) setTimeout(setSome);
  };

  return (root) => {
    if (!typesetter) return;
    const formulas = root.matches(".nbs-math") ? [root] : root.querySelectorAll(".nbs-math");
    waiting.push(...formulas);
    if (!isBusy) setSome();
  };
}
