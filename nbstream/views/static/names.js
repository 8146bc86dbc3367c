// @ts-check
// Completion of the notebook's names behind `{{` in a text field.

import { make } from "./elements.js";

const OPEN = /\{\{\s*([A-Za-z_]\w*)?$/;
const MOST = 8;

/**
 * @param {HTMLTextAreaElement} field
 * @param {import("./desk.js").Desk} desk
 */
export function createNames(field, desk) {
  const list = make("div", "names");
  // Each panel has a module of its own: a count would begin anew in each.
  list.id = `nbs-names-${Math.floor(Math.random() * 1e12)}`;
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Variables");
  list.hidden = true;
  field.setAttribute("aria-autocomplete", "list");
  /** @type {[name: string, kind: string][]} */
  let known = [];
  let isAsked = false;
  let chosen = 0;
  let closed = 0; // how often: what was asked before comes too late

  function typed() {
    return OPEN.exec(field.value.slice(0, field.selectionStart));
  }

  function close() {
    list.hidden = true;
    closed += 1;
    isAsked = false;
    field.removeAttribute("aria-activedescendant");
    field.removeAttribute("aria-controls");
  }

  async function update() {
    if (!typed()) {
      close();
      return;
    }
    if (!isAsked) {
      isAsked = true;
      const before = closed;
      const reply = await desk.ask({ do: "names" });
      if (closed !== before) return;
      known = reply.names ?? [];
    }
    chosen = 0;
    show();
  }

  function show() {
    const match = typed();
    const start = match?.[1] ?? "";
    const found = match ? known.filter(([name]) => name.startsWith(start)).slice(0, MOST) : [];
    if (found.length === 0 || found[0][0] === start) {
      list.hidden = true;
      field.removeAttribute("aria-activedescendant");
      return;
    }
    list.replaceChildren(
      ...found.map(([name, kind], i) => {
        const option = make("div", "name", make("code", "", name), make("span", "", kind));
        option.id = `${list.id}-${i}`;
        option.setAttribute("role", "option");
        option.setAttribute("aria-selected", String(i === chosen));
        option.addEventListener("mousedown", (event) => {
          event.preventDefault(); // the field keeps the focus
          take(name);
        });
        return option;
      }),
    );
    list.hidden = false;
    field.setAttribute("aria-controls", list.id);
    field.setAttribute("aria-activedescendant", `${list.id}-${chosen}`);
  }

  /** @param {string} name */
  function take(name) {
    const match = typed();
    if (!match) return;
    const end = field.selectionStart;
    const closed = field.value.slice(end).startsWith("}}") ? "" : "}}";
    field.setRangeText(name + closed, end - (match[1] ?? "").length, end, "end");
    close();
    field.dispatchEvent(new Event("input"));
  }

  field.addEventListener("input", () => void update());
  field.addEventListener("blur", close);
  return {
    list,
    /**
     * @param {KeyboardEvent} event
     * @returns {boolean} whether the key was for the list
     */
    onKey(event) {
      if (list.hidden || event.isComposing) return false;
      const count = list.children.length;
      if (event.key === "ArrowDown") chosen = (chosen + 1) % count;
      else if (event.key === "ArrowUp") chosen = (chosen + count - 1) % count;
      else if (event.key === "Escape") close();
      else if (event.key === "Enter" || event.key === "Tab") {
        take(list.children[chosen].querySelector("code")?.textContent ?? "");
      } else return false;
      event.preventDefault();
      if (!list.hidden) show();
      return true;
    },
  };
}
