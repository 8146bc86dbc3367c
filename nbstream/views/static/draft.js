// @ts-check
// What is typed and attached, but not sent: one draft a panel, whatever happens to its views.

/** @typedef {{name: string, data: ArrayBuffer, url: string}} Attachment */
/** @typedef {ReturnType<typeof createDraft>} Draft */

const LARGEST = 8_000_000; // bytes in all: a message to a kernel can have about ten million
const PICTURES = /^image\/(png|jpeg|gif|webp)$/;

/**
 * @param {string} name under which the tab remembers the text when the page is reloaded
 * @param {string} place the notebook's; a panel in it takes over what one that is gone left
 */
export function createDraft(name, place) {
  const left = `nbstream-left-${place}`;
  let key = `nbstream-draft-${name}`;
  /** @type {Set<() => void>} */
  const watchers = new Set();
  let text = sessionStorage.getItem(key) ?? "";
  if (!text) {
    text = sessionStorage.getItem(left) ?? "";
    sessionStorage.removeItem(left);
  }
  /** @type {Attachment[]} */
  let files = [];
  let problem = "";

  function tell() {
    if (text || key !== left) sessionStorage.setItem(key, text);
    for (const watcher of watchers) watcher();
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
        const size = files.reduce((sum, each) => sum + each.data.byteLength, file.size);
        if (size > LARGEST) {
          problem = `${file.name} is too large: ${LARGEST / 1e6} MB go with a message`;
          continue;
        }
        const url = PICTURES.test(file.type) ? URL.createObjectURL(file) : "";
        files = [...files, { name: file.name, data: await file.arrayBuffer(), url }];
      }
      tell();
    },

    /** @param {Attachment} file */
    detach(file) {
      files = files.filter((each) => each !== file);
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
      key = left;
      tell();
    },

    /** @param {() => void} watcher */
    watch(watcher) {
      watchers.add(watcher);
      return () => watchers.delete(watcher);
    },
  };
}
