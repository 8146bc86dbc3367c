// @ts-check
// Where a question is written: text, attachments, what will be sent, Send and Stop.

import { createChip, createTool, make } from "./elements.js";
import { createNames } from "./names.js";
import { createPreview } from "./preview.js";

/**
 * @param {import("./desk.js").Desk} desk
 * @param {import("./draft.js").Draft} draft
 * @param {import("./outbox.js").Outbox} outbox
 * @param {{onSend: () => void, onStop: () => void}} told what the reader does
 */
export function createComposer(desk, draft, outbox, { onSend, onStop }) {
  let isRunning = false;
  const field = make("textarea", "input");
  field.rows = 1;
  field.dir = "auto";
  field.placeholder = "Ask something";
  field.setAttribute("aria-label", "Your question");
  const names = createNames(field, desk);
  const chips = make("div", "chips");
  const problem = make("div", "problem");
  problem.setAttribute("role", "alert");
  const preview = createPreview(desk, draft);

  const picker = make("input", "");
  picker.type = "file";
  picker.multiple = true;
  picker.hidden = true;
  picker.setAttribute("aria-label", "Files to attach");
  picker.addEventListener("change", () => {
    void draft.attach([...(picker.files ?? [])]);
    picker.value = "";
  });
  const attach = createTool("attach", "Attach a picture or a file", () => picker.click());
  const send = createTool("send", "Send", submit);
  send.classList.add("nbs-send");
  const stop = make("button", "stop-all", make("span", "square"));
  stop.type = "button";
  stop.title = "Stop";
  stop.setAttribute("aria-label", "Stop the answer");
  stop.addEventListener("click", onStop);
  const hint = make("span", "hint", "Enter sends · Shift+Enter for a new line · {{name}} inserts a variable");
  const bar = make("div", "bar", attach, preview.tool, hint, send, stop);
  const box = make("div", "box", chips, field, bar);
  const element = make("div", "composer", problem, ...preview.elements, names.list, box, picker);

  function submit() {
    if (isRunning) return; // the draft stays
    outbox.send();
    onSend();
    field.focus();
  }

  /** @type {import("./draft.js").Attachment[]} */
  let shownFiles = [];
  function showChips() {
    if (draft.files === shownFiles) return;
    shownFiles = draft.files;
    const remove = (/** @type {import("./draft.js").Attachment} */ file) => {
      draft.detach(file);
      field.focus();
    };
    chips.replaceChildren(...shownFiles.map((file) => createChip(file, () => remove(file))));
  }

  function show() {
    if (field.value !== draft.text) field.value = draft.text;
    problem.textContent = draft.problem;
    showChips();
    const isEmpty = draft.text.trim() === "" && draft.files.length === 0;
    send.setAttribute("aria-disabled", String(isEmpty));
    send.hidden = isRunning;
    stop.hidden = !isRunning;
    fit();
  }

  /** As high as its text, up to what the style sheet allows. */
  function fit() {
    field.style.height = "auto";
    if (field.scrollHeight > 0) field.style.height = `${field.scrollHeight}px`;
  }

  field.addEventListener("input", () => draft.write(field.value));
  field.addEventListener("keydown", (event) => {
    if (names.onKey(event)) return;
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    submit();
  });
  field.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    const text = event.clipboardData?.getData("text/plain").trim() ?? "";
    // Cells and words come with a picture of them; files, with their names.
    if (files.length === 0 || (text && !files.some((file) => text.includes(file.name)))) return;
    event.preventDefault();
    void draft.attach(files);
  });
  const unwatch = draft.watch(() => {
    preview.close(); // it was of another draft
    show();
  });
  show();

  return {
    element,
    fit,
    /** @param {boolean} running whether an answer is being written */
    run(running) {
      const hadFocus = document.activeElement === stop;
      isRunning = running;
      show();
      if (hadFocus && !running) field.focus(); // what is hidden cannot keep it
    },
    remove() {
      unwatch();
    },
  };
}
