// @ts-check
// What will be sent, shown before it is: what it says is of the draft as it stands.

import { createAttachments, createTool, make } from "./elements.js";
import { createWaiting } from "./waiting.js";

/**
 * @param {import("./desk.js").Desk} desk
 * @param {import("./draft.js").Draft} draft
 */
export function createPreview(desk, draft) {
  const waiting = createWaiting(desk);
  const shown = make("div", "preview");
  shown.hidden = true;
  const tool = createTool("preview", "Show what will be sent", () => void toggle());
  tool.setAttribute("aria-expanded", "false");
  let isOpen = false;
  let stopWaiting = () => {};

  /** @param {boolean} open */
  function set(open) {
    isOpen = open;
    tool.setAttribute("aria-expanded", String(open));
  }

  function close() {
    stopWaiting();
    set(false);
    shown.hidden = true;
  }

  async function toggle() {
    if (isOpen) {
      close();
      return;
    }
    set(true);
    const { text, files } = draft;
    /** @type {Promise<null>} */
    const closed = new Promise((resolve) => {
      stopWaiting = () => resolve(null);
    });
    const reply = await waiting.until(Promise.race([desk.ask({ do: "preview", text }), closed]));
    if (!reply) return; // it comes too late
    const pictures = files.filter((file) => file.url).map((file) => file.url);
    const others = files.filter((file) => !file.url).map((file) => file.name);
    const body = make("pre", reply.error ? "failed" : "", reply.error ?? reply.text);
    body.dir = "auto";
    body.tabIndex = 0;
    shown.replaceChildren(
      make("div", "preview-title", "What will be sent"),
      body,
      createAttachments(
        [...pictures, ...(reply.pictures ?? [])],
        [...others, ...(reply.files ?? [])],
      ),
    );
    shown.hidden = false;
  }

  return { tool, elements: [waiting.element, shown], close };
}
