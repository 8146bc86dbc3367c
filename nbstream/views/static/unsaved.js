// @ts-check
// A panel is not saved with the notebook: a widget without its kernel is an error box. The
// conversation is saved, as text in outputs of its own.

const PANEL_TYPE = "application/vnd.nbstream.panel+json";
const UNSAVED = Symbol.for("nbstream.unsaved");

/**
 * Leave the outputs of panels out of what is saved from now on.
 * @param {any} manager JupyterLab's and Notebook's knows the document; others do not
 */
export function keepOutOfFile(manager) {
  const notebook = manager?.context?.model;
  if (!notebook?.toJSON || notebook[UNSAVED]) return;
  notebook[UNSAVED] = true;
  const toJSON = notebook.toJSON;
  notebook.toJSON = () => withoutPanels(toJSON.call(notebook));
}

/** @param {any} file */
function withoutPanels(file) {
  if (!Array.isArray(file?.cells)) return file;
  const cells = file.cells.map((/** @type {any} */ cell) =>
    Array.isArray(cell.outputs)
      ? { ...cell, outputs: cell.outputs.filter((/** @type {any} */ o) => !o.data?.[PANEL_TYPE]) }
      : cell,
  );
  return { ...file, cells };
}
