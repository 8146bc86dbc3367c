// @ts-check
// The panel's settings: model, system message, temperature, tools.

import { createField, make } from "./elements.js";

const OTHER = "Other…";

/**
 * @param {import("./desk.js").Desk} desk
 * @param {(problem: string) => void} complain
 */
export function createSettings(desk, complain) {
  /** @param {object} change */
  async function set(change) {
    const reply = await desk.ask({ do: "set", ...change });
    if (reply.error) complain(reply.error);
  }

  const select = make("select", "");
  const name = make("input", "");
  name.hidden = true;
  name.spellcheck = false;
  name.setAttribute("aria-label", "Name of the model");
  let isNaming = false; // another model, which is not in the list
  select.addEventListener("change", () => {
    isNaming = select.value === OTHER;
    name.hidden = !isNaming;
    if (isNaming) name.focus();
    else void set({ model: select.value });
  });
  name.addEventListener("change", () => {
    isNaming = false;
    void set({ model: name.value });
  });

  const system = make("textarea", "");
  system.rows = 2;
  system.dir = "auto";
  system.addEventListener("change", () => void set({ system: system.value }));
  const temperature = make("input", "");
  temperature.type = "number";
  temperature.min = "0";
  temperature.max = "2";
  temperature.step = "0.1";
  temperature.placeholder = "default";
  temperature.addEventListener("change", () => void set({ temperature: temperature.value }));

  const tools = make("fieldset", "tools");
  tools.hidden = true;
  const problem = make("div", "problem");
  problem.setAttribute("role", "alert");
  const element = make(
    "div",
    "settings",
    createField("Model", select),
    name,
    createField("Temperature", temperature),
    createField("System message", system),
    tools,
    problem,
  );
  element.hidden = true;

  /** @type {Map<string, HTMLInputElement>} */
  let boxes = new Map();

  /** @param {[string, boolean][]} list */
  function showTools(list) {
    if (list.map(([tool]) => tool).join() !== [...boxes.keys()].join()) makeBoxes(list);
    for (const [tool, isOn] of list) {
      const box = boxes.get(tool);
      if (box) box.checked = isOn;
    }
  }

  /** @param {[string, boolean][]} list */
  function makeBoxes(list) {
    boxes = new Map(list.map(([tool]) => [tool, make("input", "")]));
    tools.hidden = list.length === 0;
    tools.replaceChildren(make("legend", "", "Tools"));
    for (const [tool, box] of boxes) {
      box.type = "checkbox";
      box.addEventListener("change", () => void set({ tool, on: box.checked }));
      tools.append(make("label", "check", box, tool));
    }
  }

  /**
   * @param {HTMLInputElement | HTMLTextAreaElement} field
   * @param {string} value
   */
  function fill(field, value) {
    if (field !== document.activeElement) field.value = value; // what is being typed stays
  }

  let shown = "";
  return {
    element,
    /** Show or hide them; return whether they are there now. */
    toggle() {
      element.hidden = !element.hidden;
      if (!element.hidden) void desk.ask({ do: "models" });
      return !element.hidden;
    },
    /** @param {any} about */
    show(about) {
      const { model, models, problem: why, system: text, temperature: number, tools: list } = about;
      const now = JSON.stringify([model, models, why, text, number, list]);
      if (now === shown) return;
      shown = now;
      const names = [...new Set([model, ...models])];
      select.replaceChildren(
        ...names.map((each) => new Option(each || "The default", each)),
        new Option(OTHER),
      );
      select.value = isNaming ? OTHER : model;
      if (!isNaming) {
        if (name === document.activeElement) select.focus(); // what is hidden cannot keep it
        name.hidden = true;
        name.value = model;
      }
      fill(system, text);
      fill(temperature, String(number ?? ""));
      problem.textContent = why;
      showTools(list);
    },
  };
}
