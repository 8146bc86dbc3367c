// @ts-check
// What a channel of the kernel sends: messages, and snapshots as a trait.

import { inflate } from "./inflate.js";

/**
 * @param {import("./widget.js").Model} model
 * @param {ReturnType<typeof import("./store.js").createStore>} store gets the snapshots, in order
 * @param {(message: any, before: Promise<void>) => void} onMessage gets also what resolves when
 *     the snapshots that came before the message are in the store
 * @returns {() => void} stops it
 */
export function receive(model, store, onMessage) {
  let queue = Promise.resolve();
  function onSnapshot() {
    const packed = model.get("snapshot");
    queue = queue
      .then(async () => store.snapshot(JSON.parse(await inflate(packed))))
      .catch((error) => console.error("nbstream could not show a snapshot", error)); // the next may
  }
  /** @param {any} message */
  function onCustom(message) {
    onMessage(message, queue);
  }
  model.on("msg:custom", onCustom);
  model.on("change:snapshot", onSnapshot);
  onSnapshot();
  return () => {
    model.off("msg:custom", onCustom);
    model.off("change:snapshot", onSnapshot);
    store.close();
  };
}
