// @ts-check
// The entry: an anywidget module that shows one running answer.

import { announce } from "./announce.js";
import { createAnswer } from "./answer.js";
import { createStop } from "./stop.js";
import { createStore } from "./store.js";
import { createTypesetter } from "./math.js";
import { keepPlace } from "./swap.js";
import { receive } from "./receive.js";

/**
 * @typedef {object} Model
 * @property {(name: string) => any} get
 * @property {(name: string, callback: (...args: any[]) => void) => void} on
 * @property {(name: string, callback: (...args: any[]) => void) => void} off
 * @property {(message: any, callbacks?: any, buffers?: ArrayBuffer[]) => void} send
 * @property {any} [widget_manager]
 */

/** One call a model: all views of the model share its store. */
export default function createWidget() {
  /** @type {ReturnType<typeof createStore>} */
  let store;
  /** @type {ReturnType<typeof createStop>} */
  let stop;
  /** @type {Set<HTMLElement>} */
  const roots = new Set();

  return {
    /** @param {{model: Model}} context */
    initialize({ model }) {
      // While a cell runs its kernel hears nothing; otherwise it sends a snapshot.
      store = createStore(() => model.send({ want: "snapshot" }));
      stop = createStop(model);

      /** @param {{seq: number, ops: any[], say?: string}} message */
      function onMessage(message) {
        store.frame(message);
        if (message.say) {
          stop.end();
          announce(message.say);
          roots.forEach(keepPlace);
        }
      }
      const stopReceiving = receive(model, store, onMessage);
      announce("The answer is being written.");
      return () => {
        stopReceiving();
        stop.end();
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
