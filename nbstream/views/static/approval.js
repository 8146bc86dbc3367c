// @ts-check
// Asks the reader about a tool call: run it, change its arguments, or reject it.

/**
 * @param {import("./call.js").CallState} state
 * @param {(answer: object) => void} send
 * @returns {HTMLElement}
 */
export function createApproval(state, send) {
  const element = document.createElement("div");
  element.className = "nbs-approval";
  const problem = document.createElement("p");
  problem.className = "nbs-failed";
  problem.setAttribute("role", "alert");
  problem.textContent = state.problem ?? "";
  element.append(problem);
  if (state.asks === "prompt") {
    const hint = document.createElement("p");
    hint.textContent = "Answer at the prompt below: y runs it, e edits it, n rejects it.";
    element.append(hint);
    return element;
  }

  const field = document.createElement("textarea");
  field.value = state.arguments ?? "";
  field.rows = Math.min(12, field.value.split("\n").length);
  field.spellcheck = false;
  field.setAttribute("aria-label", "Arguments, as JSON");
  field.hidden = !state.problem;
  // A page of Jupyter has keys of its own, such as Shift+Enter: they stay out of the field.
  field.addEventListener("keydown", (event) => event.stopPropagation());

  const run = button("Run", () => {
    const args = field.hidden ? state.arguments : field.value;
    try {
      JSON.parse(args ?? "");
    } catch (error) {
      problem.textContent = `This is not valid JSON: ${error instanceof Error ? error.message : error}`;
      return;
    }
    answer({ run: state.call, arguments: args });
  });
  const edit = button("Edit", () => {
    field.hidden = false;
    edit.hidden = true;
    field.focus();
  });
  edit.hidden = !field.hidden;
  const reject = button("Reject", () => answer({ reject: state.call, reason: "" }));

  /** @param {object} decision */
  function answer(decision) {
    for (const each of [run, edit, reject]) each.disabled = true;
    send(decision);
  }

  const buttons = document.createElement("div");
  buttons.className = "nbs-buttons";
  buttons.append(run, edit, reject);
  element.append(field, buttons);
  return element;
}

/**
 * @param {string} label
 * @param {() => void} onClick
 */
function button(label, onClick) {
  const element = document.createElement("button");
  element.type = "button";
  element.className = "nbs-button";
  element.textContent = label;
  element.addEventListener("click", onClick);
  return element;
}
