// @ts-check
// Folded sections. What the reader opens or closes stays as she left it.

/**
 * @typedef {object} Fold
 * @property {HTMLDetailsElement} element
 * @property {HTMLElement} body
 * @property {(title: string) => void} title
 * @property {(text: string) => void} note says beside the title what is going on
 * @property {(open: boolean) => void} suggest opens or closes, unless the reader has done so
 * @property {() => boolean} isTouched whether the reader has opened or closed it
 * @property {(open: boolean) => void} keep opens or closes, as the reader wants it
 */

/**
 * @param {string} title
 * @param {boolean} [open]
 * @returns {Fold}
 */
export function createFold(title, open = false) {
  const element = document.createElement("details");
  element.className = "nbs-fold";
  element.open = open;
  const summary = document.createElement("summary");
  summary.dir = "auto";
  const name = document.createElement("span");
  name.textContent = title;
  const note = document.createElement("span");
  note.className = "nbs-note-beside";
  summary.append(name, note);
  const body = document.createElement("div");
  body.className = "nbs-fold-body";
  body.dir = "auto";
  element.append(summary, body);

  let touched = false;
  summary.addEventListener("click", () => {
    touched = true;
  });
  return {
    element,
    body,
    title(text) {
      name.textContent = text;
    },
    note(text) {
      note.textContent = text && ` · ${text}`;
    },
    suggest(wanted) {
      if (!touched) element.open = wanted;
    },
    isTouched: () => touched,
    keep(wanted) {
      touched = true;
      element.open = wanted;
    },
  };
}
