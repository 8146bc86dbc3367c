// @ts-check
// Footnotes of the live view: from a mark to its note, and back. They find each other by
// their label within one text, so nothing in the page bears a name that the model chose.

const NOTE_ENDS = ".nbs-ref, .nbs-note > sup:first-child";

/** @param {Element} block a sealed block, which may be or hold marks and notes */
export function addNoteLinks(block) {
  for (const element of block.querySelectorAll(NOTE_ENDS)) {
    element.setAttribute("role", "link");
    element.setAttribute("tabindex", "0");
  }
}

/** @param {HTMLElement} root holds the texts, each an element `.nbs-text` or `.nbs-fold-body` */
export function followNotes(root) {
  root.addEventListener("click", (event) => noteFollow(event));
  root.addEventListener("keydown", (event) => {
    if (event.key === "Enter") noteFollow(event);
  });
}

/** @param {Event} event */
function noteFollow(event) {
  const from = event.target instanceof Element ? event.target.closest(NOTE_ENDS) : null;
  const text = from?.closest(".nbs-text, .nbs-fold-body");
  if (!from || !text) return;
  const isMark = from.matches(".nbs-ref");
  for (const to of text.querySelectorAll(NOTE_ENDS)) {
    if (to.matches(".nbs-ref") !== isMark && to.textContent === from.textContent) {
      to.scrollIntoView({ block: "nearest" });
      if (to instanceof HTMLElement) to.focus({ preventScroll: true });
      return;
    }
  }
}
