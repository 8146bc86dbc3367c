// @ts-check
// What a channel of the kernel sends: messages, and snapshots as a trait.

import { inflate } from "./inflate.js";

/**
 * @param {import("./widget.js").Model} model
 * @param {ReturnType<typeof import("./store.js").createStore>} store gets the snapshots, in order
 * @param {(message: any) => void} onMessage
 * @returns {() => void} stops it
 */
export function receive(model, store, onMessage) {
  let queue = Promise.resolve();
  function onSnapshot() {
    const packed = model.get("snapshot");
    queue = queue.then(async () => store.snapshot(JSON.parse(await inflate(packed))));
  }
  model.on("msg:custom", onMessage);
  model.on("change:snapshot", onSnapshot);
  onSnapshot();
  return () => {
    model.off("msg:custom", onMessage);
    model.off("change:snapshot", onSnapshot);
    store.close();
  };
}
