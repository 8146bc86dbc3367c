// @ts-check
// A question in the panel, which can be edited.

import { createAttachments, createChip, createTool, make } from "./elements.js";
import { createWaiting } from "./waiting.js";

/**
 * @typedef {object} Question
 * @property {string} typed
 * @property {string | null} plain what is edited, where that is not what was typed
 * @property {string} sent what went to the model, where it is something else
 * @property {string[]} pictures
 * @property {string[]} files
 * @property {(number | string)[]} attached what goes along when it is edited: a picture by its
 *   place among `pictures`, a file by its name
 */
/**
 * @param {number} id the turn's
 * @param {Question} question
 * @param {import("./desk.js").Desk} desk
 */
export function createQuestion(id, question, desk) {
  const { typed, sent, pictures, files } = question;
  const text = make("div", "question-text", typed);
  text.dir = "auto";
  const edit = createTool("edit", "Edit the question", () => {
    const editor = createEditor(
      question,
      (edited) => desk.ask({ do: "edit", turn: id, ...edited }),
      desk,
      () => {
        editor.replaceWith(bubble);
        edit.hidden = false;
        edit.focus();
      },
    );
    edit.hidden = true;
    bubble.replaceWith(editor);
    editor.querySelector("textarea")?.focus();
  });
  const bubble = make("div", "bubble", createAttachments(pictures, files), text);
  if (sent) {
    const summary = make("summary", "", "What was sent");
    const body = make("pre", "", sent);
    body.dir = "auto";
    body.tabIndex = 0;
    bubble.append(make("details", "sent", summary, body));
  }
  return { element: make("div", "question", edit, bubble) };
}

/**
 * What is written stays until the kernel has taken it.
 * @param {Question} question
 * @param {(edited: {text: string, without: number[]}) => Promise<import("./desk.js").Reply>} onSend
 *     gets the new text, and which attachments were taken away
 * @param {import("./desk.js").Desk} desk
 * @param {() => void} onClose
 */
function createEditor(question, onSend, desk, onClose) {
  const field = make("textarea", "editor");
  field.value = question.plain ?? question.typed;
  field.rows = Math.min(10, field.value.split("\n").length + 1);
  field.setAttribute("aria-label", "The question, edited");
  const waiting = createWaiting(desk);
  const problem = make("div", "problem");
  problem.setAttribute("role", "alert");
  /** @type {number[]} */
  const without = [];
  const chips = createChips(question, (number) => {
    without.push(number);
    field.focus();
  });

  /** @param {boolean} isSent whether it is on its way */
  function lock(isSent) {
    field.readOnly = isSent;
    cancel.ariaDisabled = String(isSent);
  }
  const send = createTool(
    "send",
    "Send",
    async () => {
      lock(true);
      problem.textContent = "";
      const reply = await waiting.until(onSend({ text: field.value, without }));
      lock(false);
      if (reply.error) problem.textContent = reply.error;
      else onClose();
    },
    "Send",
  );
  const cancel = createTool("clear", "Cancel", onClose, "Cancel");
  field.addEventListener("keydown", (event) => {
    if (event.key === "Escape") cancel.click();
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    send.click();
  });
  const buttons = make("div", "buttons", send, cancel);
  return make("div", "editing", chips, field, buttons, waiting.element, problem);
}

/**
 * What goes along with an edited question.
 * @param {Question} question
 * @param {(number: number) => void} onRemove is told which was taken away
 */
function createChips({ pictures, attached }, onRemove) {
  const chips = attached.map((what, number) => {
    const isPicture = typeof what === "number";
    const name = isPicture ? `picture ${what + 1}` : what;
    const chip = createChip({ name, url: isPicture ? pictures[what] : "" }, () => {
      chip.remove();
      onRemove(number);
    });
    return chip;
  });
  return make("div", "chips", ...chips);
}
