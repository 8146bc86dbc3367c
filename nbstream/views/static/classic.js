// @ts-check
// nbclassic's manager of widgets draws all outputs with widgets once more when it has heard from
// the kernel, and that is when the cells have ended which ran since the page came. Drawn anew, a
// view that the page shows already is gone, and no update reaches the other outputs of its cell.

import { guarded } from "./guarded.js";

const DRAWN_ONCE = Symbol.for("nbstream.drawn-once");
const OURS = ".nbs-panel, .nbs-answer";

/**
 * Draw no cell again that shows a live view of ours.
 * @param {any} manager nbclassic's knows the notebook; others do not
 */
export function drawOnce(manager) {
  guarded(() => {
    if (!manager?.notebook?.render_cell_output) return;
    const prototype = Object.getPrototypeOf(manager.notebook); // the notebook takes no properties
    if (prototype[DRAWN_ONCE]) return;
    prototype[DRAWN_ONCE] = true;
    const draw = prototype.render_cell_output;
    prototype.render_cell_output = function (/** @type {any} */ cell) {
      const isShown = guarded(() => cell.output_area.element[0].querySelector(OURS), null);
      return isShown ? undefined : draw.call(this, cell);
    };
  }, undefined);
}
