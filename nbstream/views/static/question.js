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
/** @typedef {{text: string, without: number[]}} Edit the text, and which attachments go */
/** @typedef {Map<number, Edit>} Edits what is being edited, by the turn: views come and go */

/**
 * @param {number} id the turn's
 * @param {Question} question
 * @param {{desk: import("./desk.js").Desk, edits: Edits}} context
 */
export function createQuestion(id, question, { desk, edits }) {
  const { typed, sent, pictures, files } = question;
  const text = make("div", "question-text", typed);
  text.dir = "auto";
  const edit = createTool("edit", "Edit the question", () => {
    edits.set(id, { text: question.plain ?? typed, without: [] });
    openEditor().querySelector("textarea")?.focus();
  });
  function openEditor() {
    const edited = /** @type {Edit} */ (edits.get(id));
    const onSend = () => desk.ask({ do: "edit", turn: id, ...edited });
    const editor = createEditor(question, edited, onSend, desk, () => {
      edits.delete(id);
      editor.replaceWith(bubble);
      edit.hidden = false;
      edit.focus();
    });
    edit.hidden = true;
    bubble.replaceWith(editor);
    return editor;
  }
  const bubble = make("div", "bubble", createAttachments(pictures, files), text);
  if (sent) {
    const summary = make("summary", "", "What was sent");
    const body = make("pre", "", sent);
    body.dir = "auto";
    body.tabIndex = 0;
    bubble.append(make("details", "sent", summary, body));
  }
  const element = make("div", "question", edit, bubble);
  if (edits.has(id)) openEditor();
  return { element };
}

/**
 * What is written stays until the kernel has taken it.
 * @param {Question} question
 * @param {Edit} edited is kept up to date
 * @param {() => Promise<import("./desk.js").Reply>} onSend
 * @param {import("./desk.js").Desk} desk
 * @param {() => void} onClose
 */
function createEditor(question, edited, onSend, desk, onClose) {
  const field = make("textarea", "editor");
  field.value = edited.text;
  field.rows = Math.min(10, field.value.split("\n").length + 1);
  field.setAttribute("aria-label", "Edit question");
  const waiting = createWaiting(desk);
  const problem = make("div", "problem");
  problem.setAttribute("role", "alert");
  const chips = createChips(question, edited.without, () => field.focus());

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
      const reply = await waiting.until(onSend());
      lock(false);
      if (reply.error) problem.textContent = reply.error;
      else onClose();
    },
    "Send",
  );
  const cancel = createTool("clear", "Cancel", onClose, "Cancel");
  field.addEventListener("input", () => {
    edited.text = field.value;
  });
  field.addEventListener("keydown", (event) => {
    if (event.isComposing) return; // these keys choose characters
    if (event.key === "Escape") cancel.click();
    if (event.key !== "Enter" || event.shiftKey) return;
    event.preventDefault();
    send.click();
  });
  const buttons = make("div", "buttons", send, cancel);
  return make("div", "editing", chips, field, buttons, waiting.element, problem);
}

/**
 * What goes along with an edited question.
 * @param {Question} question
 * @param {number[]} without gets those that are taken away
 * @param {() => void} onRemove
 */
function createChips({ pictures, attached }, without, onRemove) {
  const chips = attached.map((what, number) => {
    const isPicture = typeof what === "number";
    const name = isPicture ? `picture ${what + 1}` : what;
    const chip = createChip({ name, url: isPicture ? pictures[what] : "" }, () => {
      chip.remove();
      without.push(number);
      onRemove();
    });
    return chip;
  });
  return make("div", "chips", ...chips.filter((_, number) => !without.includes(number)));
}
