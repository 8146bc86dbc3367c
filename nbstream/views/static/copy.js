// @ts-check
// The entry: an anywidget module that copies a text which the kernel has for the reader.

import { announce } from "./announce.js";
import { copy } from "./clipboard.js";
import { createStandIn } from "./shared.js";
import { saveAsText } from "./unsaved.js";

/** One call a model: all views of the model share what is here. */
export default function createCopier() {
  /** @type {Set<() => void>} */
  const views = new Set();
  let isCopied = false;

  /** @param {import("./widget.js").Model} model */
  async function tell(model) {
    isCopied = true;
    model.send({ copied: true }); // a line takes the place of all this
    announce(`${model.get("label")} is copied.`);
    for (const show of views) show();
  }

  return {
    /** @param {{model: any}} context */
    async initialize({ model }) {
      const text = () => model.get("text");
      saveAsText(model.widget_manager, model.get("name"), text);
      const { settle } = createStandIn(model.widget_manager, model.get("name"), text);
      // At once, while the reader still waits for it: not in a page that is opened again, and
      // not after a long cell before this one. By then something else may have been copied.
      if (model.get("tried") || !navigator.userActivation?.isActive) return settle;
      model.set("tried", true);
      model.save_changes();
      if (await copy(model.get("text"))) void tell(model);
      return settle;
    },

    /** @param {{model: any, el: HTMLElement}} context */
    render({ model, el }) {
      const text = document.createElement("pre");
      text.textContent = model.get("shown") || model.get("text");
      const button = document.createElement("button");
      button.type = "button";
      button.className = "nbs-button";
      const note = document.createElement("span");
      note.className = "nbs-copy-note";
      const bar = document.createElement("div");
      bar.className = "nbs-copy-bar";
      bar.append(button, note);
      const root = document.createElement("div");
      root.className = "nbs-answer nbs-copying";
      root.append(bar, text);
      el.append(root);

      function show() {
        button.textContent = isCopied ? "Copied" : "Copy";
        note.textContent = isCopied ? "" : `${model.get("label")} is copied by a click here.`;
      }
      button.addEventListener("click", async () => {
        if (await copy(model.get("text"))) await tell(model);
        else note.textContent = "The browser does not allow copying: select the text below.";
      });
      show();
      views.add(show);
      return () => {
        views.delete(show);
        root.remove();
      };
    },
  };
}
