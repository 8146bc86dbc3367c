// @ts-check
// The offer to go on with turns that were saved before the kernel restarted.

import { createTool, make } from "./elements.js";
import { createWaiting } from "./waiting.js";

/**
 * @param {import("./desk.js").Desk} desk
 * @param {(problem: string) => void} complain
 */
export function createResume(desk, complain) {
  const waiting = createWaiting(desk);
  const words = make("span", "resume-words");
  async function onClick() {
    const reply = await waiting.until(desk.ask({ do: "resume" }));
    if (reply.error) complain(reply.error);
  }
  const label = "Continue this conversation";
  const button = createTool("next", label, onClick, label);
  const element = make("div", "resume", words, button, waiting.element);
  element.setAttribute("role", "group");
  element.setAttribute("aria-label", "Saved turns");
  element.hidden = true;
  return {
    element,
    /** @param {number} count how many turns only stand there */
    show(count) {
      const hadFocus = element.contains(document.activeElement);
      const turns = count === 1 ? "1 saved turn" : `${count} saved turns`;
      const them = count === 1 ? "it" : "them";
      words.textContent = `${turns} from before: the model does not see ${them} yet.`;
      element.hidden = count === 0;
      if (!hadFocus || count > 0) return;
      // What is hidden cannot keep it.
      /** @type {HTMLElement | null | undefined} */ (
        element.parentElement?.querySelector(".nbs-input")
      )?.focus({ preventScroll: true });
    },
  };
}
