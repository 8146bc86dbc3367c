// @ts-check
// The button that stops an answer.
//
// A kernel that runs a cell hears no widget. So where a cell waits for the answer, that cell
// is interrupted, as Jupyter's own ■ does it; where none does, a message to the kernel is
// enough. A cell that only runs beside the answer is never interrupted.

import { announce } from "./announce.js";
import { guarded } from "./guarded.js";

const BY_HAND = "Press ■, or I twice, to stop";
const BEHIND_A_CELL = "Stops when the running cell ends";

/**
 * @typedef {object} Stop
 * @property {(isBlocking: boolean) => HTMLButtonElement} button a new button; all act as one
 * @property {() => void} end says that there is nothing to stop any more
 */

/**
 * What stops the answer of `model`, once for all its views.
 * @param {import("./widget.js").Model} model
 * @returns {Stop}
 */
export function createStop(model) {
  const kernel = guarded(() => model.widget_manager?.kernel, undefined);
  // Other pages (VS Code, Colab) may have a `kernel` too; it leads to no server.
  const hasServer = document.getElementById("jupyter-config-data") !== null;
  const canInterrupt = hasServer && guarded(() => Boolean(kernel?.interrupt), false);
  /** @type {HTMLButtonElement[]} */
  const buttons = [];
  let isAsked = false;
  // The answer's last frame can get lost. But a cell that ends or begins is proof enough
  // that the cell which waited for the answer does so no longer.
  let isCellOver = false;
  let isMessageSent = false;

  /**
   * @param {any} _kernel
   * @param {any} message
   */
  function onMessage(_kernel, message) {
    const parent = message?.parent_header;
    const isCell = parent?.msg_type === "execute_request" && !parent.subshell_id;
    if (!isCell || message.header?.msg_type !== "status") return;
    isCellOver = true;
    // The cell had begun, but the page had not heard of it when the button was pressed.
    if (isMessageSent && message.content?.execution_state === "busy") say(BEHIND_A_CELL);
  }
  guarded(() => kernel?.iopubMessage?.connect(onMessage), undefined);

  /** @param {string} text */
  function say(text) {
    for (const button of buttons) {
      button.textContent = text;
      button.setAttribute("aria-disabled", String(isAsked));
    }
    announce(text);
  }

  /** @param {boolean} isBlocking */
  function press(isBlocking) {
    if (isAsked) return;
    isAsked = true;
    if (!isBlocking) {
      const isBusy = guarded(() => kernel?.status === "busy", false);
      say(isBusy ? BEHIND_A_CELL : "Stopping…");
      model.send({ stop: true });
      isMessageSent = true;
    } else if (isCellOver) {
      say("The answer has ended");
    } else {
      say("Stopping…");
      new Promise((resolve) => resolve(kernel.interrupt())).catch(() => {
        isAsked = false;
        say(BY_HAND);
      });
    }
  }

  return {
    button(isBlocking) {
      const isByHand = isBlocking && !canInterrupt;
      const button = document.createElement("button");
      button.type = "button";
      button.className = "nbs-stop";
      button.textContent = buttons[0]?.textContent ?? (isByHand ? BY_HAND : "Stop");
      // Not `disabled`, which would take the focus away from who pressed it.
      button.setAttribute("aria-disabled", String(isAsked || isByHand));
      // Jupyter would take Enter and the space bar for commands of its own.
      button.setAttribute("data-lm-suppress-shortcuts", "true");
      if (!isByHand) button.addEventListener("click", () => press(isBlocking));
      buttons.push(button);
      return button;
    },

    end() {
      isAsked = true;
      guarded(() => kernel?.iopubMessage?.disconnect(onMessage), undefined);
    },
  };
}
