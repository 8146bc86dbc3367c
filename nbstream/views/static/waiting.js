// @ts-check
// What the reader asked for waits while the kernel runs a cell: that is said where it was asked.

import { make } from "./elements.js";

/**
 * @param {import("./desk.js").Desk} desk
 * @returns {string} why the kernel has not replied, where that is known
 */
export function whyWait(desk) {
  return desk.isBusy() ? "Waits: the kernel is running a cell." : "";
}

/**
 * @param {number} ms
 * @returns {Promise<void>} resolves then
 */
export function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** @param {import("./desk.js").Desk} desk */
export function createWaiting(desk) {
  const element = make("div", "waiting-note");
  element.setAttribute("role", "status");
  return {
    element,
    /**
     * Say why, as long as it takes.
     * @template T
     * @param {Promise<T>} asked does not fail
     * @returns {Promise<T>} the same
     */
    async until(asked) {
      const show = () => {
        element.textContent = whyWait(desk);
      };
      show();
      const timer = setInterval(show, 1000); // the kernel's state may have changed
      const reply = await asked;
      clearInterval(timer);
      element.textContent = "";
      return reply;
    },
  };
}
