// @ts-check
// Questions on their way to the kernel, one after the other: each is asked when the answer to
// the one before has ended. They are shown until the kernel has them.

/** @typedef {{text: string, files: import("./draft.js").Attachment[]}} Letter */
/** @typedef {ReturnType<typeof createOutbox>} Outbox */

/**
 * @param {import("./desk.js").Desk} desk
 * @param {import("./draft.js").Draft} draft where a question goes that is not taken
 */
export function createOutbox(desk, draft) {
  /** @type {Letter[]} */
  let letters = [];
  let isUnderWay = false; // the first of them
  let isRunning = false; // an answer, in this conversation
  /** @type {Set<() => void>} */
  const watchers = new Set();

  function tell() {
    for (const watcher of watchers) watcher();
  }

  async function post() {
    if (isUnderWay || isRunning || letters.length === 0) return;
    isUnderWay = true;
    const [{ text, files }] = letters;
    const names = files.map((file) => file.name);
    const buffers = files.map((file) => file.data);
    const reply = await desk.ask({ do: "send", text, files: names }, buffers);
    isUnderWay = false;
    if (reply.error) takeBack(reply.error);
    else {
      for (const file of files) URL.revokeObjectURL(file.url);
      letters = letters.slice(1);
    }
    tell();
    void post();
  }

  /**
   * Those behind one that was not taken were meant to follow it.
   * @param {string} reason
   */
  function takeBack(reason) {
    for (const letter of letters.reverse()) draft.putBack(letter, reason);
    letters = [];
  }

  return {
    get letters() {
      return letters;
    },
    /** Whether the first letter is on its way; the others wait for the answer to it. */
    get isUnderWay() {
      return isUnderWay;
    },

    /** Send the draft. */
    send() {
      if (draft.text.trim() === "" && draft.files.length === 0) return;
      letters = [...letters, draft.take()];
      void post();
      tell();
    },

    /** @param {boolean} running whether an answer is being written */
    run(running) {
      isRunning = running;
      void post();
      tell();
    },

    /** @param {() => void} watcher */
    watch(watcher) {
      watchers.add(watcher);
      return () => watchers.delete(watcher);
    },
  };
}
