// @ts-check
// Formulas, set by the typesetter that Jupyter itself uses for rendered markdown.

import { guarded } from "./guarded.js";

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
  function set(formula) {
    const done = guarded(() => typesetter?.typeset(/** @type {HTMLElement} */ (formula)), null);
    if (done instanceof Promise) done.catch(() => {});
  }
  return (root) => {
    if (!typesetter) return;
    const formulas = root.matches(".nbs-math") ? [root] : root.querySelectorAll(".nbs-math");
    for (const formula of formulas) {
      const isSet = formula.firstElementChild !== null;
      if (!isSet) set(formula);
    }
  };
}
