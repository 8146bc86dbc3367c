// @ts-check
// The entry: an anywidget module that shows one running answer.

import { announce } from "./announce.js";
import { createAnswer } from "./answer.js";
import { createStop } from "./stop.js";
import { createStore } from "./store.js";
import { createTypesetter } from "./math.js";
import { LOST, whenKernelEnds } from "./gone.js";
import { drawOnce } from "./classic.js";
import { guarded } from "./guarded.js";
import { keepPlace } from "./swap.js";
import { createStandIn } from "./shared.js";
import { receive } from "./receive.js";
import { saveAsItIs, saveAsText } from "./unsaved.js";
import { stayPut } from "./follow.js";
import { wordsOf } from "./words.js";

/**
 * @typedef {object} Model
 * @property {(name: string) => any} get
 * @property {(name: string, callback: (...args: any[]) => void) => void} on
 * @property {(name: string, callback: (...args: any[]) => void) => void} off
 * @property {(message: any, callbacks?: any, buffers?: ArrayBuffer[]) => void} send
 * @property {any} [widget_manager]
 */

const UNFINISHED =
  "⚠ The answer was being written when this was saved. %chat last shows it, while its kernel runs.";

/** One call a model: all views of the model share its store. */
export default function createWidget() {
  /** @type {ReturnType<typeof createStore>} */
  let store;
  /** @type {ReturnType<typeof createStop>} */
  let stop;
  /** @type {Set<HTMLElement>} */
  const roots = new Set();

  /** What the page has of the answer, whether or not there is a view of it. */
  function words() {
    const nothing = () => {};
    const host = document.createElement("div");
    const answer = createAnswer(host, nothing, nothing, stop, stayPut);
    store.watch(answer)();
    answer.remove();
    return wordsOf(answer.root);
  }

  return {
    /** @param {{model: Model}} context */
    initialize({ model }) {
      // While a cell runs its kernel hears nothing; otherwise it sends a snapshot.
      store = createStore(() => model.send({ want: "snapshot" }));
      stop = createStop(model);
      drawOnce(model.widget_manager);
      const name = model.get("name");
      let text = () => [words(), UNFINISHED].filter(Boolean).join("\n\n");
      const standIn = createStandIn(model.widget_manager, name, () => text());
      store.watch({ load: standIn.grow, apply: standIn.grow });
      let ended = Promise.resolve(); // when what came before the end is in the store

      /**
       * @param {{seq: number, ops: any[], say?: string}} message
       * @param {Promise<void>} before
       */
      function onMessage(message, before) {
        store.frame(message);
        if (message.say) {
          ended = before.then(standIn.write); // the page that ran the cell may be gone
          saveAsItIs(model.widget_manager, name); // the static output comes
          stop.end();
          stopWaiting();
          announce(message.say);
          roots.forEach(keepPlace);
        }
      }
      const stopReceiving = receive(model, store, onMessage);
      const kernel = guarded(() => model.widget_manager?.kernel, undefined);
      const stopWaiting = whenKernelEnds(kernel, () => {
        stop.end();
        store.finish([["end", LOST]]);
        const left = words();
        text = () => left;
        saveAsText(model.widget_manager, name, text);
        standIn.write();
        announce(LOST.mark);
      });
      saveAsText(model.widget_manager, name, () => text());
      announce("The answer is being written.");
      return () => {
        stopReceiving();
        stopWaiting();
        stop.end();
        void ended.then(standIn.settle);
      };
    },

    /** @param {{model: Model, el: HTMLElement}} context */
    render({ model, el }) {
      const typeset = createTypesetter(model.widget_manager);
      const answer = createAnswer(el, typeset, (decision) => model.send(decision), stop);
      const unwatch = store.watch(answer);
      roots.add(answer.root);
      return () => {
        unwatch();
        roots.delete(answer.root);
        answer.remove();
      };
    },
  };
}
