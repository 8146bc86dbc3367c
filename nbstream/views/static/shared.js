// @ts-check
// Under jupyter-collaboration the pages share one document, and the server saves that, not what
// a page has. So the document has text in the place of a live view, while each page shows the
// view: what changes within an output of the document changes no page that has the output.

import { VIEW_TYPE, notebookOf, viewOf } from "./unsaved.js";
import { guarded } from "./guarded.js";

const SILENT = "silent-change"; // what JupyterLab calls a change that its own page has made
const PAUSE_MS = 1000; // between two texts, or more where they are long: of texts at most ...
const PER_MS = 20; // ... characters in a millisecond

/**
 * @param {any} manager of widgets
 * @param {string} name the view's, which its output has, too
 * @param {(output: any) => string} text is asked for what stands in the place of the output
 */
export function createStandIn(manager, name, text) {
  const found = guarded(() => notebookOf(manager), undefined);
  const notebook = guarded(() => (found?.collaborative ? found : undefined), undefined);
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let looking;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let writing;
  let length = 0; // of the text

  /** @param {(place: Place) => void} act on each output of this name */
  function each(act) {
    guarded(() => placesOf(notebook, name).forEach(act), undefined);
  }

  /** Show the view where this page has the text: it came late, or the cell was moved. */
  function look() {
    looking = undefined;
    each(({ cell, at, output, shared }) => {
      if (shared.get("data")[VIEW_TYPE]) write();
      const model_id = output.metadata.nbstream.model;
      if (output.data[VIEW_TYPE] || !manager.has_model(model_id)) return;
      setHere(cell, at, { ...output.toJSON(), data: { ...viewOf(model_id), ...output.data } });
    });
  }

  function write() {
    clearTimeout(writing);
    writing = undefined;
    each(({ cell, output, shared }) => {
      const data = { "text/plain": text(output) };
      length = data["text/plain"].length;
      if (JSON.stringify(shared.get("data")) === JSON.stringify(data)) return;
      cell.sharedModel.transact(() => shared.set("data", data), false, SILENT);
    });
  }

  function lookSoon() {
    looking ??= setTimeout(look);
  }
  guarded(() => notebook?.contentChanged.connect(lookSoon), undefined);
  if (notebook) lookSoon();

  return {
    /** Bring the text up to date now. */
    write,

    /** Bring the text up to date before long: there is more. */
    grow() {
      if (!notebook) return;
      const pause = Math.max(PAUSE_MS, length / PER_MS);
      writing ??= setTimeout(write, pause);
    },

    /** The view goes. What this page has is what the document has, from now on. */
    settle() {
      guarded(() => notebook?.contentChanged.disconnect(lookSoon), undefined);
      clearTimeout(looking);
      clearTimeout(writing);
      each(({ cell, at, output, shared }) => {
        if (output.data[VIEW_TYPE] && !shared.get("data")[VIEW_TYPE]) setHere(cell, at, shared.toJSON());
      });
    },
  };
}

/** @typedef {{cell: any, at: number, output: any, shared: any}} Place an output, as the page and
 *   as the document has it */

/**
 * @param {any} notebook
 * @param {string} name
 * @returns {Place[]}
 */
function placesOf(notebook, name) {
  const places = [];
  for (const cell of notebook?.cells ?? []) {
    for (let at = 0; at < (cell.outputs?.length ?? 0); at++) {
      const output = cell.outputs.get(at);
      const shared = cell.sharedModel.ymodel.get("outputs").get(at);
      // Before jupyter-ydoc 3 an output is one value, which cannot be changed within.
      const isHere = nameOf(output.metadata) === name && nameOf(shared?.get?.("metadata")) === name;
      if (isHere) places.push({ cell, at, output, shared });
    }
  }
  return places;
}

/** @param {any} metadata an output's */
function nameOf(metadata) {
  return metadata?.nbstream?.answer ?? metadata?.nbstream?.panel;
}

/**
 * Put an output into this page alone.
 * @param {any} cell
 * @param {number} at
 * @param {any} output
 */
function setHere(cell, at, output) {
  const { sharedModel } = cell;
  sharedModel.updateOutputs = () => {}; // by which JupyterLab would tell the others
  try {
    cell.outputs.set(at, output);
  } finally {
    delete sharedModel.updateOutputs;
  }
}
