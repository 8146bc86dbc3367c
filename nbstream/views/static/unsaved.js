// @ts-check
// A widget without its kernel is an error box in a file. So a panel is saved as a line that says
// how to open it, for its conversation is in outputs of its own; and an answer that is being written,
// or whose kernel ended in the middle of it, is saved as the text that the page has. Running a cell
// empties its output: the conversation that was saved there is saved until the cell has it again.

import { guarded } from "./guarded.js";

export const PANEL_TYPE = "application/vnd.nbstream.panel+json";
export const VIEW_TYPE = "application/vnd.jupyter.widget-view+json";
export const CONVERSATION_TYPE = "application/vnd.nbstream.conversation+json";
const SAVED = Symbol.for("nbstream.saved");

/**
 * Save the outputs of panels as text from now on.
 * @param {any} manager JupyterLab's and Notebook's knows the document; others do not
 */
export function keepOutOfFile(manager) {
  guarded(() => textsOf(notebookOf(manager)), undefined);
}

/**
 * Save text in the place of an answer's output from now on.
 * @param {any} manager
 * @param {string} name the answer's, which its output has, too
 * @param {() => string} text is asked at each save
 */
export function saveAsText(manager, name, text) {
  guarded(() => {
    const notebook = notebookOf(manager);
    textsOf(notebook)?.set(name, text);
    touch(notebook);
  }, undefined);
}

/**
 * Save an answer's output as it is again: what stands there is no widget any more.
 * @param {any} manager
 * @param {string} name
 */
export function saveAsItIs(manager, name) {
  guarded(() => textsOf(notebookOf(manager))?.delete(name), undefined);
}

/**
 * @param {any} manager
 * @returns {any} the document of JupyterLab and Notebook 7, or the notebook of nbclassic
 */
export function notebookOf(manager) {
  return manager?.context?.model ?? manager?.notebook;
}

/** @param {any} notebook whose file is not what it is now */
function touch(notebook) {
  if (notebook?.set_dirty) notebook.set_dirty(true);
  else if (notebook) notebook.dirty = true;
}

/**
 * @param {any} notebook
 * @returns {Map<string, () => string> | undefined} what is saved in the place of answers, by name
 */
function textsOf(notebook) {
  if (!notebook?.toJSON) return undefined;
  // nbclassic's notebook takes no properties, so what is changed there is what it is made from.
  const holder = Object.isExtensible(notebook) ? notebook : Object.getPrototypeOf(notebook);
  if (!holder[SAVED]) {
    const texts = (holder[SAVED] = new Map());
    const conversations = new Map();
    const toJSON = holder.toJSON;
    holder.toJSON = function (/** @type {any[]} */ ...rest) {
      const file = toJSON.apply(this, rest);
      const changed = () => withConversations(this, withoutWidgets(file, texts), conversations);
      return guarded(changed, file); // whatever happens, it is saved
    };
  }
  return holder[SAVED];
}

/**
 * @param {string} model_id a widget's
 * @returns {any} what of an output's data shows it
 */
export function viewOf(model_id) {
  return { [VIEW_TYPE]: { version_major: 2, version_minor: 0, model_id } };
}

/**
 * @param {any} output a panel's
 * @returns {string} how to open the panel, which the kernel has told
 */
export function panelText(output) {
  return output.data["text/plain"] ?? "";
}

/**
 * @param {any} output
 * @param {string} text
 */
function asText(output, text) {
  return { ...output, metadata: {}, data: { "text/plain": text } };
}

/**
 * @param {any} file
 * @param {Map<string, () => string>} texts
 */
function withoutWidgets(file, texts) {
  if (!Array.isArray(file?.cells)) return file;
  /** @param {any} output */
  function saved(output) {
    if (output?.data?.[PANEL_TYPE]) return asText(output, panelText(output));
    const text = texts.get(output?.metadata?.nbstream?.answer);
    return text === undefined ? output : asText(output, text());
  }
  const cells = file.cells.map((/** @type {any} */ cell) =>
    Array.isArray(cell?.outputs) ? { ...cell, outputs: cell.outputs.map(saved) } : cell,
  );
  return { ...file, cells };
}

/**
 * @param {any} notebook
 * @param {any} file
 * @param {Map<string, any[]>} kept the outputs that were saved last, by the cells' ids
 */
function withConversations(notebook, file, kept) {
  if (!Array.isArray(file?.cells)) return file;
  const running = runningCells(notebook);
  /** @param {any} cell */
  function saved(cell) {
    if (!Array.isArray(cell?.outputs)) return cell;
    const found = cell.outputs.filter((/** @type {any} */ each) => each?.data?.[CONVERSATION_TYPE]);
    const has = (/** @type {string} */ type) =>
      cell.outputs.some((/** @type {any} */ each) => each?.output_type === type);
    if (found.length > 0) kept.set(cell.id, found);
    else if (!running.has(cell.id) && !has("error")) kept.delete(cell.id); // the user emptied it
    else return { ...cell, outputs: [...cell.outputs, ...(kept.get(cell.id) ?? [])] };
    return cell;
  }
  return { ...file, cells: file.cells.map(saved) };
}

/**
 * @param {any} notebook
 * @returns {Set<string>} the ids of the cells that run, or wait for those before them
 */
function runningCells(notebook) {
  const cells = notebook?.cells;
  const all = Array.from({ length: cells?.length ?? 0 }, (_, number) => cells.get(number));
  return new Set(all.filter((cell) => cell?.executionState === "running").map(({ id }) => id));
}
