// @ts-check
// What stands above the conversation: the model, what it took so far, and the settings.

import { createSettings } from "./settings.js";
import { createTool, make } from "./elements.js";
import { createWaiting } from "./waiting.js";

/**
 * @param {import("./desk.js").Desk} desk
 * @param {(problem: string) => void} complain
 */
export function createHead(desk, complain) {
  const waiting = createWaiting(desk);
  /** @param {string} what */
  async function ask(what) {
    const reply = await waiting.until(desk.ask({ do: what }));
    if (reply.error) complain(reply.error);
  }
  const settings = createSettings(desk, complain);
  const title = make("span", "title");
  const totals = make("span", "totals");
  const gauge = make("span", "gauge", make("span", ""));
  gauge.setAttribute("aria-hidden", "true"); // the text beside it says the same
  const undo = createTool("again", "Undo", () => ask("undo"), "Undo");
  const clear = createTool("remove", "Clear the conversation", () => ask("clear"));
  const open = createTool("settings", "Settings", () => {
    open.setAttribute("aria-expanded", String(settings.toggle()));
  });
  open.setAttribute("aria-expanded", "false");
  const bar = make("div", "head-bar", title, totals, gauge, undo, clear, open);
  return {
    element: make("div", "head", bar, waiting.element, settings.element),
    /** @param {any} about */
    show(about) {
      settings.show(about);
      title.textContent = about.model || about.answered || "The default model";
      totals.textContent = describe(about);
      const [used, size] = about.context;
      gauge.hidden = !(used && size);
      if (used && size) {
        const share = Math.min(100, (100 * used) / size);
        /** @type {HTMLElement} */ (gauge.firstChild).style.width = `${share}%`;
      }
      const focused = [undo, clear].find((tool) => tool === document.activeElement);
      undo.hidden = !about.undo;
      clear.hidden = about.count === 0;
      // What is hidden cannot keep it.
      if (focused?.hidden) [undo, open].find((tool) => !tool.hidden)?.focus();
    },
  };
}

/** @param {{usage: [number | null, number | null], context: [number | null, number | null]}} about */
function describe({ usage: [asked, answered], context: [used, size] }) {
  /** @param {number | null} count */
  const count = (count) => (count === null ? "?" : count.toLocaleString("en"));
  const parts = [];
  if (asked !== null || answered !== null) parts.push(`${count(asked)} → ${count(answered)} tokens`);
  if (used && size) parts.push(`context ${Math.round((100 * used) / size)} % of ${count(size)}`);
  return parts.join(" · ");
}
