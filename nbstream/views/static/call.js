// @ts-check
// A tool call in the page: its arguments, what is waited for, and what it came to.

import { createApproval } from "./approval.js";
import { createDocument } from "./patch.js";
import { createFold } from "./folds.js";

/**
 * @typedef {{asks?: "prompt" | "page", runs?: number, call?: string, arguments?: string,
 *   problem?: string}} CallState
 * @typedef {{failed: boolean, text?: string, doc?: any,
 *   image?: ["image/png" | "image/jpeg", string]}} CallResult
 */

/**
 * @param {string} title
 * @param {(block: Element) => void} onSealed is told each block of markdown that is complete
 * @param {(answer: object) => void} send takes what the reader decides to the kernel
 */
export function createCall(title, onSealed, send) {
  const element = document.createElement("div");
  element.className = "nbs-call";
  const fold = createFold(title);
  const args = document.createTextNode("");
  fold.body.append(preformatted(args));
  element.append(fold.element);

  /** @type {HTMLElement | null} */
  let approval = null;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  let timer;

  /** @param {number} seconds so far */
  function run(seconds) {
    const started = Date.now() - seconds * 1000;
    const show = () => fold.note(`${Math.max(0, Math.round((Date.now() - started) / 1000))} s`);
    timer = setInterval(show, 1000);
    show();
  }

  return {
    element,
    fold,
    args,

    /** @param {CallState} state */
    state(state) {
      clearInterval(timer);
      fold.note("");
      element.classList.toggle("nbs-waits", state.asks !== undefined);
      element.classList.toggle("nbs-runs", state.runs !== undefined);
      if (approval) {
        approval.remove();
        approval = null;
        fold.suggest(false);
      }
      if (state.runs !== undefined) run(state.runs);
      if (state.asks !== undefined) {
        fold.note("needs your approval");
        approval = createApproval(state, send);
        fold.body.append(approval);
        fold.suggest(true);
      }
    },

    /** @param {CallResult} result */
    result({ failed, text, doc, image }) {
      if (doc) {
        const shown = document.createElement("div");
        shown.className = "nbs-text";
        createDocument(shown, onSealed).load(doc);
        fold.body.append(shown);
      } else {
        const shown = preformatted(document.createTextNode(text ?? ""));
        shown.classList.toggle("nbs-failed", failed);
        fold.body.append(shown);
      }
      if (image) {
        const shown = document.createElement("img");
        shown.src = `data:${image[0]};base64,${image[1]}`;
        shown.alt = "what the tool returned";
        element.append(shown);
      }
    },

    stop() {
      clearInterval(timer);
    },
  };
}

/** @param {Text} text */
function preformatted(text) {
  const pre = document.createElement("pre");
  pre.dir = "auto";
  pre.append(text);
  return pre;
}
