// @ts-check
// What a page asks the kernel for, and the replies.
//
// A kernel that runs a cell hears nothing until the cell has ended; what was said waits there.

import { guarded } from "./guarded.js";
import { whenKernelEnds } from "./gone.js";

/** @typedef {{error?: string, [name: string]: any}} Reply */
/**
 * @typedef {object} Desk
 * @property {(what: {do: string, [name: string]: any}, buffers?: ArrayBuffer[]) =>
 *   Promise<Reply>} ask never fails: what went wrong is the reply's `error`
 * @property {(reply: any) => void} hear takes a message that is a reply
 * @property {() => boolean} isBusy whether the kernel is known to run a cell
 * @property {() => void} close
 */

const GONE = "the kernel has restarted or ended: run the cell of the panel again";
const CLOSED = "the panel was closed before this was sent";

/**
 * @param {import("./widget.js").Model} model
 * @param {(reason: string) => void} onGone is told, once, when the kernel is gone
 * @returns {Desk}
 */
export function createDesk(model, onGone) {
  const kernel = guarded(() => model.widget_manager?.kernel, undefined);
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

  function onEnd() {
    giveUp(GONE);
    onGone(GONE);
  }
  const stopWaiting = whenKernelEnds(kernel, onEnd);

  return {
    ask(what, buffers = []) {
      if (isGone) return Promise.resolve({ error: GONE });
      count += 1;
      const n = `${page}-${count}`;
      return new Promise((resolve) => {
        waiting.set(n, resolve);
        try {
          model.send({ ...what, n }, undefined, buffers);
        } catch (error) {
          waiting.delete(n);
          const why = error instanceof Error ? error.message : error;
          resolve({ error: `the page could not send this (${why}): run the cell of the panel again` });
        }
      });
    },
    hear(reply) {
      const resolve = waiting.get(reply.re);
      waiting.delete(reply.re);
      resolve?.(reply);
    },
    isBusy: () => guarded(() => kernel?.status === "busy", false),
    close() {
      giveUp(CLOSED);
      stopWaiting();
    },
  };
}
