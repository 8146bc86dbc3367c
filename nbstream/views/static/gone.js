// @ts-check
// The end of a kernel, as a page sees it. What the kernel held is lost with it.

import { guarded } from "./guarded.js";

const ENDINGS = ["restarting", "autorestarting", "dead", "terminating"];

/** What stands below an answer that was being written. */
export const LOST = {
  mark: "Incomplete: the kernel has restarted or ended.",
  usage: "",
  rows: [],
};

/**
 * @param {any} kernel a widget manager's, where it has one
 * @param {() => void} onEnd is called once, when the kernel hears this page no more
 * @returns {() => void} stops it
 */
export function whenKernelEnds(kernel, onEnd) {
  function end() {
    stop();
    onEnd();
  }
  /**
   * @param {any} _kernel
   * @param {string} status
   */
  function onStatus(_kernel, status) {
    if (ENDINGS.includes(status)) end();
  }
  function stop() {
    guarded(() => kernel?.statusChanged?.disconnect?.(onStatus), undefined);
    guarded(() => kernel?.disposed?.disconnect?.(end), undefined);
  }
  // Other pages (VS Code, Colab) may have a `kernel` that is not Jupyter's.
  guarded(() => kernel?.statusChanged?.connect?.(onStatus), undefined);
  guarded(() => kernel?.disposed?.connect?.(end), undefined); // shut down or changed from this page
  return stop;
}
