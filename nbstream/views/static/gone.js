// @ts-check
// The end of a kernel, as a page sees it. What the kernel held is lost with it.

const ENDINGS = ["restarting", "autorestarting", "dead", "terminating"];

/** What stands below an answer that was being written. */
export const LOST = {
  mark: "The kernel has restarted or ended: this is a part of the answer.",
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
    kernel?.statusChanged?.disconnect?.(onStatus);
    kernel?.disposed?.disconnect?.(end);
  }
  // Other pages (VS Code, Colab) may have a `kernel` that is not Jupyter's.
  kernel?.statusChanged?.connect?.(onStatus);
  kernel?.disposed?.connect?.(end); // it was shut down or changed from this page
  return stop;
}
