// @ts-check
// Keeps the frames of a channel in order, whatever is lost, late or out of turn.

/** @typedef {[string, ...any[]]} Operation */
/** @typedef {{sections: any[], status: [string, string], seconds: number,
 *   blocking: boolean, end: any}} State the state of one answer */
/** @typedef {{seq: number, state: any, ops: Operation[] | null}} Snapshot */
/** @typedef {{load: (state: any) => void, apply: (ops: Operation[]) => void}} Watcher */

/**
 * The state is a snapshot and the frames since: what a view that attaches late replays.
 *
 * @param {() => void} onGap called when frames are missing for longer than it takes them
 *     to arrive out of turn
 */
export function createStore(onGap) {
  const GAP_MS = 300;
  /** @type {any} */
  let base = null;
  /** @type {{seq: number, ops: Operation[]}[]} */
  let log = [];
  let seq = -1;
  let isFinished = false;
  /** @type {Map<number, Operation[]>} */
  const early = new Map();
  /** @type {Set<Watcher>} */
  const watchers = new Set();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let gapTimer;

  /** @param {Operation[]} ops */
  function advance(ops) {
    seq += 1;
    log.push({ seq, ops });
    for (const watcher of watchers) watcher.apply(ops);
  }

  function drain() {
    for (let ops = early.get(seq + 1); ops; ops = early.get(seq + 1)) {
      early.delete(seq + 1);
      advance(ops);
    }
    clearTimeout(gapTimer);
    if (early.size > 0) gapTimer = setTimeout(onGap, GAP_MS);
  }

  return {
    /**
     * What the page itself adds at the end: nothing comes any more.
     * @param {Operation[]} ops
     */
    finish(ops) {
      clearTimeout(gapTimer);
      isFinished = true;
      advance(ops);
    },

    /** @param {{seq: number, ops: Operation[]}} frame */
    frame(frame) {
      if (frame.seq <= seq || isFinished) return;
      early.set(frame.seq, frame.ops);
      drain();
    },

    /** @param {Snapshot} snapshot */
    snapshot(snapshot) {
      if (isFinished) return;
      if (base && snapshot.ops && snapshot.seq === seq + 1) {
        advance(snapshot.ops);
      } else if (snapshot.seq > seq) {
        seq = snapshot.seq;
        for (const watcher of watchers) watcher.load(snapshot.state);
      }
      base = snapshot.state;
      log = log.filter((frame) => frame.seq > snapshot.seq);
      for (const late of early.keys()) if (late <= seq) early.delete(late);
      drain();
    },

    /**
     * Bring a view up to date, and keep it so.
     * @param {Watcher} watcher
     * @returns {() => void} stops it
     */
    watch(watcher) {
      if (base) watcher.load(base);
      for (const frame of log) watcher.apply(frame.ops);
      watchers.add(watcher);
      return () => watchers.delete(watcher);
    },

    close() {
      clearTimeout(gapTimer);
      watchers.clear();
    },
  };
}
