// @ts-check
// How a panel and its conversation outlive a reload of the page, and a restart of the kernel.
//
// The file has no widget, and Jupyter drops what a kernel sends to an output that it showed before
// the page was loaded. So the page itself puts the panel of a kernel that lives back into its cell,
// and keeps the static conversation below it up to date. Of a kernel that ends the page keeps that
// conversation, for the next panel of the cell: running the cell empties it first.

import { CONVERSATION_TYPE, PANEL_TYPE, VIEW_TYPE, notebookOf, viewOf } from "./unsaved.js";
import { guarded } from "./guarded.js";

const LEFT_BEHIND = Symbol.for("nbstream.left-behind");
const MOST_KEPT = 3_000_000; // characters: a message to a kernel can have about ten million bytes

/**
 * @typedef {object} Place where a panel stands
 * @property {string} cell the cell's id, or nothing
 * @property {string} run which run of the cell shows it
 * @property {string} view the id of its model
 * @property {string} [text] what the file has in the place of the panel
 * @property {string} panel the name under which the conversation is kept
 */

/**
 * @param {import("./widget.js").Model} model
 * @param {import("./desk.js").Desk} desk
 */
export function createReturn(model, desk) {
  const manager = model.widget_manager;
  /** @returns {Place} */
  const place = () => model.get("place") ?? {};
  let isBack = false; // the static conversation is this page's to write

  /** @returns {any} Jupyter's model of the cell */
  function cell() {
    const cells = notebookOf(manager)?.cells;
    for (let i = 0; i < (cells?.length ?? 0); i += 1) {
      if (cells.get(i)?.id === place().cell) return cells.get(i);
    }
    return undefined;
  }

  /** @param {any[]} outputs */
  const own = (outputs) => outputs.filter((each) => isOf(each, place().panel));

  async function comeBack() {
    await manager?.context?.ready;
    // What stands in a document that pages share is for shared.js to say.
    if (notebookOf(manager)?.collaborative) return;
    const there = cell();
    const show = () => showPanel(notebookOf(manager), there.outputs, place());
    const { trusted } = there?.outputs ?? {};
    if (!there || (trusted && !show())) return;
    const { run } = place();
    const reply = await desk.ask({ do: "copy" });
    if (!Array.isArray(reply.outputs) || place().run !== run) return;
    if (!trusted && !(trust(there, reply.outputs) && show())) return;
    isBack = true;
    reply.outputs.forEach((data, number) => put(number, data));
  }

  /**
   * Untrusted outputs, as in a file that was never saved here, show no widget. They may be anybody's:
   * those of the conversation are replaced by the kernel's, and beside text none is trusted.
   * @param {any} there the cell
   * @param {any[]} conversation what the kernel shows
   * @returns {boolean} whether the cell is trusted now
   */
  function trust(there, conversation) {
    const all = withoutText(there.outputs.toJSON(), place());
    const others = all.filter((/** @type {any} */ each) => !isOf(each, place().panel));
    if (!others.every((/** @type {any} */ each) => each.output_type === "stream")) return false;
    const outputs = conversation.map((data) => ({ output_type: "display_data", metadata: {}, data }));
    there.outputs.fromJSON([...others, ...outputs]);
    there.trusted = true;
    return there.outputs.trusted;
  }

  /**
   * @param {number} number which of the outputs of the conversation
   * @param {any} data what it holds
   */
  function put(number, data) {
    const outputs = isBack && cell()?.outputs;
    if (!outputs) return;
    const all = outputs.toJSON();
    const there = own(all)[number];
    const output = { output_type: "display_data", metadata: {}, data };
    if (!there) outputs.add(output);
    else if (isOther(there, output)) outputs.set(all.indexOf(there), output);
  }

  /** Offer the turns that the page has kept to a kernel that has restarted. */
  async function offer() {
    const kept = notebookOf(manager)?.[LEFT_BEHIND];
    const records = kept?.get(placeKey(place()));
    kept?.delete(placeKey(place()));
    if (records) await desk.ask({ do: "offer", records });
  }
  function onPlace() {
    isBack = false; // it is shown by Jupyter now
    void guardedly(offer);
  }

  model.on("change:place", onPlace);
  if (place().cell) void guardedly(comeBack); // it was shown before this page was loaded
  return {
    /** @type {typeof put} */
    put: (number, data) => guarded(() => put(number, data), undefined),

    /** Keep what is saved of the conversation: the kernel has ended. */
    remember() {
      guarded(() => {
        const records = own(cell()?.outputs.toJSON() ?? []).map(recordOf);
        if (records.length === 0 || JSON.stringify(records).length > MOST_KEPT) return;
        (notebookOf(manager)[LEFT_BEHIND] ??= new Map()).set(placeKey(place()), records);
      }, undefined);
    },

    stop: () => model.off("change:place", onPlace),
  };
}

/** @param {any} output */
const recordOf = (output) => output?.data?.[CONVERSATION_TYPE];

/**
 * @param {any} output
 * @param {string} panel
 */
function isOf(output, panel) {
  return recordOf(output)?.panel === panel;
}

/**
 * Whether outputs hold other turns. The file has its names in another order than the kernel.
 * @param {any} one
 * @param {any} another
 */
function isOther(one, another) {
  /** @param {any} output */
  function content(output) {
    const turns = recordOf(output)?.turns ?? [];
    const places = turns.map((/** @type {any} */ { id, after }) => [id, after]);
    return JSON.stringify([output.data["text/markdown"], places]);
  }
  return content(one) !== content(another);
}

/**
 * @param {any[]} outputs
 * @param {{text?: string}} place
 */
function withoutText(outputs, { text }) {
  return outputs.filter(({ data }) => !(text && data?.["text/plain"] === text && !data[VIEW_TYPE]));
}

/** @param {Place} place */
const placeKey = ({ cell, panel }) => `${cell} ${panel}`;

/**
 * Put the panel before its conversation.
 * @param {any} notebook
 * @param {any} outputs Jupyter's model of them
 * @param {Place} place
 * @returns {boolean} whether it was not there
 */
function showPanel(notebook, outputs, { view, panel, text }) {
  const all = withoutText(outputs.toJSON(), { text });
  if (all.some((/** @type {any} */ each) => each.data?.[VIEW_TYPE]?.model_id === view)) return false;
  const data = { ...viewOf(view), [PANEL_TYPE]: {} };
  const at = all.findIndex((/** @type {any} */ each) => isOf(each, panel));
  const output = { output_type: "display_data", metadata: {}, data };
  all.splice(at < 0 ? all.length : at, 0, output);
  const { dirty } = notebook;
  outputs.fromJSON(all);
  if (!dirty) notebook.dirty = false; // the file is as it was: it has no panel
  return true;
}

/** @param {() => Promise<void>} action */
async function guardedly(action) {
  await guarded(action, undefined)?.catch((error) => {
    console.warn("nbstream: Jupyter goes on without this", error);
  });
}
