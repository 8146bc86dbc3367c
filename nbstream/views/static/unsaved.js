// @ts-check
// A widget without its kernel is an error box in a file. So a panel is not saved with the
// notebook, for its conversation is, in outputs of its own; and an answer whose kernel ended
// in the middle of it is saved as the text that the page has.

import { guarded } from "./guarded.js";

const PANEL_TYPE = "application/vnd.nbstream.panel+json";
const SAVED = Symbol.for("nbstream.saved");

/**
 * Leave the outputs of panels out of what is saved from now on.
 * @param {any} manager JupyterLab's and Notebook's knows the document; others do not
 */
export function keepOutOfFile(manager) {
  guarded(() => textsOf(manager?.context?.model), undefined);
}

/**
 * Save text in the place of an answer's output from now on.
 * @param {any} manager
 * @param {string} name the answer's, which its output has, too
 * @param {string} text
 */
export function saveAsText(manager, name, text) {
  guarded(() => {
    const notebook = manager?.context?.model;
    textsOf(notebook)?.set(name, text);
    if (notebook) notebook.dirty = true; // what is in the file is not this
  }, undefined);
}

/**
 * @param {any} notebook
 * @returns {Map<string, string> | undefined} what is saved in the place of answers, by name
 */
function textsOf(notebook) {
  if (!notebook?.toJSON) return undefined;
  if (!notebook[SAVED]) {
    const texts = (notebook[SAVED] = new Map());
    const toJSON = notebook.toJSON;
    notebook.toJSON = (/** @type {any[]} */ ...rest) => {
      const file = toJSON.apply(notebook, rest);
      return guarded(() => withoutWidgets(file, texts), file); // whatever happens, it is saved
    };
  }
  return notebook[SAVED];
}

/**
 * @param {any} file
 * @param {Map<string, string>} texts
 */
function withoutWidgets(file, texts) {
  if (!Array.isArray(file?.cells)) return file;
  /** @param {any} output */
  function saved(output) {
    if (output?.data?.[PANEL_TYPE]) return [];
    const text = texts.get(output?.metadata?.nbstream?.answer);
    if (text === undefined) return [output];
    return [{ ...output, metadata: {}, data: { "text/plain": text } }];
  }
  const cells = file.cells.map((/** @type {any} */ cell) =>
    Array.isArray(cell?.outputs) ? { ...cell, outputs: cell.outputs.flatMap(saved) } : cell,
  );
  return { ...file, cells };
}
