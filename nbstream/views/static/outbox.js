// @ts-check
// Questions on their way to the kernel. They are shown until the kernel has them.

/** @typedef {{text: string, files: import("./draft.js").Attachment[]}} Letter */
/** @typedef {ReturnType<typeof createOutbox>} Outbox */

/**
 * @param {import("./desk.js").Desk} desk
 * @param {import("./draft.js").Draft} draft where a question goes that is not taken
 */
export function createOutbox(desk, draft) {
  /** @type {Letter[]} */
  let letters = [];
  /** @type {Set<() => void>} */
  const watchers = new Set();

  /** @param {Letter[]} now */
  function change(now) {
    letters = now;
    for (const watcher of watchers) watcher();
  }

  return {
    get letters() {
      return letters;
    },

    /** Send the draft. */
    async send() {
      if (draft.text.trim() === "" && draft.files.length === 0) return;
      const letter = draft.take();
      change([...letters, letter]);
      const names = letter.files.map((file) => file.name);
      const buffers = letter.files.map((file) => file.data);
      const reply = await desk.ask({ do: "send", text: letter.text, files: names }, buffers);
      change(letters.filter((each) => each !== letter));
      if (reply.error) draft.putBack(letter, reply.error);
      else for (const file of letter.files) URL.revokeObjectURL(file.url);
    },

    /** @param {() => void} watcher */
    watch(watcher) {
      watchers.add(watcher);
      return () => watchers.delete(watcher);
    },
  };
}
