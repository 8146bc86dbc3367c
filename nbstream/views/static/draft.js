// @ts-check
// What is typed and attached, but not sent: one draft a panel, whatever happens to its views.

import { createLeft, recall, remember } from "./left.js";

/** @typedef {{name: string, data: ArrayBuffer, url: string}} Attachment */
/** @typedef {ReturnType<typeof createDraft>} Draft */

const LARGEST = 8_000_000; // bytes in all: a message to a kernel can have about ten million
const PICTURES = /^image\/(png|jpeg|gif|webp)$/;

/**
 * @param {string} name under which the tab remembers the text when the page is reloaded
 * @param {string} place the notebook's; a panel in it takes over what one that is gone left
 */
export function createDraft(name, place) {
  const left = createLeft(place);
  const key = `nbstream-draft-${name}`;
  let isLeft = false;
  let isSeen = false;
  /** @type {Set<() => void>} */
  const watchers = new Set();
  let text = recall(key) || left.take(name);
  /** @type {Attachment[]} */
  let files = [];
  let problem = "";
  save();

  function save() {
    remember(key, isLeft ? "" : text);
    if (isLeft) left.put({ name, text, isSeen });
  }

  function tell() {
    save();
    for (const watcher of watchers) watcher();
  }

  /** @param {number} size in bytes */
  function fits(size) {
    return files.reduce((sum, each) => sum + each.data.byteLength, size) <= LARGEST;
  }

  /**
   * @param {File} file
   * @returns {Promise<ArrayBuffer | null>} nothing, with the reason as the problem
   */
  async function read(file) {
    try {
      const data = fits(file.size) ? await file.arrayBuffer() : null;
      if (data && fits(data.byteLength)) return data; // others may have come meanwhile
      problem = `${file.name} is too large: ${LARGEST / 1e6} MB go with a message`;
    } catch {
      problem = `${file.name} cannot be read: attach files, of a folder one by one`;
    }
    return null;
  }

  return {
    get text() {
      return text;
    },
    get files() {
      return files;
    },
    get problem() {
      return problem;
    },

    /** @param {string} value */
    write(value) {
      text = value;
      problem = "";
      tell();
    },

    /** @param {Iterable<File>} added */
    async attach(added) {
      problem = "";
      for (const file of added) {
        const data = await read(file);
        const url = data && PICTURES.test(file.type) ? URL.createObjectURL(file) : "";
        if (data) files = [...files, { name: file.name, data, url }];
        tell();
      }
    },

    /** @param {Attachment} file */
    detach(file) {
      files = files.filter((each) => each !== file);
      URL.revokeObjectURL(file.url);
      tell();
    },

    /** Empty the draft, and return what was in it. */
    take() {
      const taken = { text, files };
      text = problem = "";
      files = [];
      tell();
      return taken;
    },

    /**
     * Put back what could not be sent, and say why.
     * @param {{text: string, files: Attachment[]}} taken
     * @param {string} reason
     */
    putBack(taken, reason) {
      text = [taken.text, text].filter(Boolean).join("\n\n");
      files = [...taken.files, ...files];
      problem = reason;
      tell();
    },

    /** @param {string} reason what went wrong */
    complain(reason) {
      problem = reason;
      tell();
    },

    /** Leave what is typed, and will be, to the next panel: nobody hears this one any more. */
    leave() {
      isLeft = true;
      save();
    },

    /** @param {boolean} seen whether there is a view: what is not seen is taken over first */
    see(seen) {
      isSeen = seen;
      save();
    },

    /** @param {() => void} watcher */
    watch(watcher) {
      watchers.add(watcher);
      return () => watchers.delete(watcher);
    },
  };
}
