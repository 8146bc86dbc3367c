// @ts-check
// What the tab remembers of a notebook's panels: the texts that they leave to those after them.

/** @typedef {{name: string, text: string, isSeen: boolean}} Left a text, and whose it was */

/** @param {string} key */
export function recall(key) {
  try {
    return sessionStorage.getItem(key) ?? "";
  } catch {
    return ""; // the browser keeps nothing for this page
  }
}

/**
 * @param {string} key
 * @param {string} text nothing, to forget it
 */
export function remember(key, text) {
  try {
    if (text) sessionStorage.setItem(key, text);
    else sessionStorage.removeItem(key);
  } catch {
    // It is full: the text stays in the field, as long as that is there.
  }
}

/** @param {string} place the notebook's */
export function createLeft(place) {
  const key = `nbstream-left-${place}`;

  /** @returns {Left[]} */
  function read() {
    try {
      const found = JSON.parse(recall(key));
      return Array.isArray(found) ? found : [];
    } catch {
      return [];
    }
  }
  /** @param {Left[]} all */
  function write(all) {
    const texts = all.filter((each) => each.text);
    remember(key, texts.length ? JSON.stringify(texts) : "");
  }

  return {
    /**
     * Leave a text, or what has become of it.
     * @param {Left} left
     */
    put(left) {
      const all = read();
      const at = all.findIndex(({ name, isSeen }) => name === left.name && isSeen === left.isSeen);
      if (at >= 0) write(all.with(at, left));
      else write([...all.filter(({ name }) => name !== left.name), left]);
    },

    /**
     * Take a panel's own text; else that of one which is gone from the page, the longest ago.
     * @param {string} name the panel's
     */
    take(name) {
      const all = read();
      const isOwn = (/** @type {Left} */ each) => each.name === name;
      const taken = all.find(isOwn) ?? all.find((each) => !each.isSeen) ?? all[0];
      write(all.filter((each) => each !== taken));
      return taken?.text ?? "";
    },
  };
}
