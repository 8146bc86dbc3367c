// @ts-check
// One view of an answer: its sections, and the line below them.

import { addCodeTools } from "./code.js";
import { createSections } from "./sections.js";
import { createStatus } from "./status.js";
import { addTableTools } from "./tables.js";
import { createEnding } from "./ending.js";
import { followEnd } from "./follow.js";
import { setFormulas } from "./formulas.js";
import { addNoteLinks, followNotes } from "./notes.js";

/**
 * @param {HTMLElement} host the element to fill
 * @param {(block: Element) => void} typeset sets the formulas in a block
 * @param {(answer: object) => void} send takes what the reader decides to the kernel
 * @param {import("./stop.js").Stop} stop
 * @param {(root: HTMLElement) => import("./follow.js").Following} [follow] keeps the end in sight
 * @param {import("./tables.js").Source} [source] asks a kernel that hears the page, where the
 *     answer stays when it has ended
 */
export function createAnswer(host, typeset, send, stop, follow = followEnd, source = undefined) {
  host.classList.add("nbs-host");
  const root = document.createElement("div");
  // The classes of Jupyter's own rendered markdown: what is shown live looks as it will stay.
  root.className = "nbs-answer jp-RenderedHTMLCommon jp-RenderedMarkdown";
  root.setAttribute("aria-busy", "true");
  host.append(root);

  /** @param {Element} block */
  function onSealed(block) {
    addCodeTools(block, source !== undefined);
    addNoteLinks(block);
    setFormulas(block, typeset, source);
    if (source) addTableTools(block, root, source);
  }
  const sections = createSections(root, onSealed, send);
  followNotes(root);
  const following = follow(root);
  /** @type {ReturnType<typeof createStatus> | null} */
  let status = null;

  let hasEnded = false;

  /** @param {any} summary */
  function end(summary) {
    if (hasEnded) return;
    hasEnded = true;
    sections.settle();
    status?.remove();
    status = null;
    root.setAttribute("aria-busy", "false");
    root.append(...createEnding(summary));
  }

  return {
    root,

    /** @param {import("./store.js").State} state */
    load(state) {
      sections.load(state.sections);
      if (state.end) {
        end(state.end);
        return;
      }
      if (!status) {
        status = createStatus(state.seconds, stop.button(state.blocking));
        root.append(status.element);
      }
      status.update(...state.status);
    },

    /** @param {import("./store.js").Operation[]} ops */
    apply(ops) {
      for (const op of ops) {
        if (op[0] === "status") status?.update(op[1], op[2]);
        else if (op[0] === "end") end(op[1]);
        else sections.apply(op);
      }
      following.keep();
    },

    remove() {
      following.stop();
      sections.stop();
      status?.remove();
      if (root.parentElement === host) root.remove(); // not where swap.js still shows it
    },
  };
}
