// @ts-check
// A question in the panel, which can be edited.

import { createAttachments, createTool, make } from "./elements.js";

/**
 * @typedef {object} Question
 * @property {string} typed
 * @property {string} sent what went to the model, where it is something else
 * @property {string[]} pictures
 * @property {string[]} files
 */
/**
 * @param {Question} question
 * @param {(text: string) => void} onEdit is told the new text
 */
export function createQuestion({ typed, sent, pictures, files }, onEdit) {
  const text = make("div", "question-text", typed);
  text.dir = "auto";
  const edit = createTool("edit", "Edit the question", () => {
    const field = createEditor(typed, onEdit, () => {
      field.replaceWith(bubble);
      edit.hidden = false;
      edit.focus();
    });
    edit.hidden = true;
    bubble.replaceWith(field);
    field.querySelector("textarea")?.focus();
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
 * @param {string} text
 * @param {(text: string) => void} onSend
 * @param {() => void} onClose
 */
function createEditor(text, onSend, onClose) {
  const field = make("textarea", "editor");
  field.value = text;
  field.rows = Math.min(10, text.split("\n").length + 1);
  field.setAttribute("aria-label", "The question, edited");
  const send = () => {
    onClose();
    onSend(field.value);
  };
  field.addEventListener("keydown", (event) => {
    if (event.key === "Escape") onClose();
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    send();
  });
  const buttons = make(
    "div",
    "buttons",
    createTool("send", "Send", send, "Send"),
    createTool("clear", "Cancel", onClose, "Cancel"),
  );
  return make("div", "editing", field, buttons);
}
