// @ts-check
// What a page asks the kernel for, and the replies.
//
// A kernel that runs a cell hears nothing until the cell has ended; what was said waits there.

/** @typedef {{error?: string, [name: string]: any}} Reply */
/**
 * @typedef {object} Desk
 * @property {(what: {do: string, [name: string]: any}, buffers?: ArrayBuffer[]) =>
 *   Promise<Reply>} ask never fails: what went wrong is the reply's `error`
 * @property {(message: any) => boolean} hear takes a message that is a reply
 * @property {() => boolean} isBusy whether the kernel is known to run a cell
 * @property {() => void} close
 */

const GONE = "the kernel has restarted: run the cell of the panel again";
const CLOSED = "the panel was closed before this was sent";

/**
 * @param {import("./widget.js").Model} model
 * @param {() => void} onGone is told when the kernel is gone
 * @returns {Desk}
 */
export function createDesk(model, onGone) {
  const kernel = model.widget_manager?.kernel;
  const page = Math.random().toString(36).slice(2);
  let count = 0;
  /** @type {Map<string, (reply: Reply) => void>} */
  const waiting = new Map();
  let isGone = false; // nobody will ever hear

  /** @param {string} reason */
  function giveUp(reason) {
    isGone = true;
    for (const resolve of waiting.values()) resolve({ error: reason });
    waiting.clear();
  }

  /**
   * @param {any} _kernel
   * @param {string} status
   */
  function onStatus(_kernel, status) {
    if (!["restarting", "autorestarting", "dead", "terminating"].includes(status)) return;
    onGone();
    giveUp(GONE);
  }
  kernel?.statusChanged?.connect(onStatus);

  return {
    ask(what, buffers = []) {
      if (isGone) return Promise.resolve({ error: GONE });
      count += 1;
      const n = `${page}-${count}`;
      return new Promise((resolve) => {
        waiting.set(n, resolve);
        model.send({ ...what, n }, undefined, buffers);
      });
    },
    hear(message) {
      const resolve = waiting.get(message.re);
      waiting.delete(message.re);
      resolve?.(message);
      return "re" in message;
    },
    isBusy: () => kernel?.status === "busy",
    close() {
      giveUp(CLOSED);
      kernel?.statusChanged?.disconnect(onStatus);
    },
  };
}
