// @ts-check
// The page of one growing markdown text: replays the operations of render/patches.py.

/** @typedef {[string, ...any[]]} PatchOp */
/** @typedef {[depth: number, html: string, code: string]} OpenState */
/**
 * @typedef {object} PatchSnapshot
 * @property {string[][]} blocks HTML and colours of each sealed block
 * @property {OpenState | null} open
 * @property {string} tail
 * @property {string} after
 */

const PATCH_TEXT_NODE = 8192; // UTF-16 units; a longer text goes into more than one node

/**
 * @param {HTMLElement} root holds the document, and nothing else
 * @param {(element: Element) => void} [onSealed] is told each element that is complete: a
 *     block, and before it the rows or items of a long table or list. It may change what is
 *     inside, and may see an element again.
 */
export function createDocument(root, onSealed = () => {}) {
  /** How many of the root's children are sealed. */
  let sealed = 0;
  /** @type {{element: Element, sealed: number} | null} with how many of its child nodes are */
  let open = null;
  let tail = "";
  let after = "";

  function drawTail() {
    const place = open ?? { element: root, sealed };
    patchNodes(place.element, place.sealed, patchParse(tail));
  }

  /** @type {Record<string, (...args: any[]) => void>} */
  const operations = {
    tail(keep, html) {
      tail = tail.slice(0, keep) + html;
      drawTail();
    },

    after(keep, html) {
      after = after.slice(0, keep) + html;
      patchNodes(root, sealed + 1, patchParse(after));
    },

    text(depth, text) {
      const escaped = patchEscape(text);
      let element = after === "" ? (open ?? { element: root }).element : root;
      if (after === "") tail += escaped;
      else after += escaped;
      for (let i = 0; i < depth; i += 1) element = element.lastElementChild ?? element;
      patchAppend(element, element.childNodes.length, text);
    },

    seal(count, length) {
      tail = tail.slice(length);
      const { element, sealed: from } = open ?? { element: root, sealed };
      if (open) open.sealed += count;
      else sealed += count;
      for (let i = from; i < from + count; i += 1) onSealed(element.children[i]);
    },

    part(length) {
      if (!open) return;
      const html = tail.slice(0, length);
      tail = tail.slice(length);
      patchNodes(open.element, open.sealed, patchParse(html));
      open.sealed = open.element.childNodes.length;
      drawTail();
    },

    reopen() {
      open = null;
      tail = after = "";
      drawTail();
    },

    enter(depth, length) {
      tail = tail.slice(length);
      open = { element: patchDescend(root.children[sealed], depth), sealed: 0 };
    },

    code(text) {
      if (open) open.sealed += patchAppend(open.element, open.sealed, text);
    },

    leave() {
      open = null;
      tail = after;
      after = "";
      sealed += 1;
      onSealed(root.children[sealed - 1]);
    },

    refill(depth, html) {
      root.children[sealed].replaceWith(patchParse(html));
      open = patchOpened(root.children[sealed], depth);
      tail = "";
      for (const child of open.element.children) onSealed(child);
    },

    replace(index, html) {
      root.children[index].replaceWith(patchParse(html));
      onSealed(root.children[index]);
    },

    mark(index, ...runs) {
      const codes = root.children[index].querySelectorAll("pre > code");
      runs.forEach((colours, i) => patchColour(codes[i], colours));
    },
  };

  return {
    /** @param {PatchOp[]} ops */
    apply(ops) {
      for (const [name, ...args] of ops) operations[name](...args);
    },

    /** @param {PatchSnapshot} snapshot */
    load(snapshot) {
      root.replaceChildren(patchParse(snapshot.blocks.map(([html]) => html).join("")));
      sealed = snapshot.blocks.length;
      open = null;
      tail = after = "";
      snapshot.blocks.forEach(([, ...runs], index) => operations.mark(index, ...runs));
      for (const block of root.children) onSealed(block);
      if (snapshot.open) {
        const [depth, html, code] = snapshot.open;
        root.append(patchParse(html));
        open = patchOpened(root.children[sealed], depth);
        for (const child of open.element.children) onSealed(child);
        operations.code(code);
      }
      operations.tail(0, snapshot.tail);
      if (snapshot.open) operations.after(0, snapshot.after);
    },
  };
}

/** @param {string} html */
function patchParse(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content;
}

/** @param {string} text */
function patchEscape(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/**
 * @param {Element} element
 * @param {number} depth 1 is the element itself
 */
function patchDescend(element, depth) {
  let inner = element;
  for (let i = 1; i < depth; i += 1) inner = inner.lastElementChild ?? inner;
  return inner;
}

/**
 * @param {Element} element an open container in which all is sealed
 * @param {number} depth
 */
function patchOpened(element, depth) {
  const inner = patchDescend(element, depth);
  return { element: inner, sealed: inner.childNodes.length };
}

/**
 * Make the children of `parent`, from number `from` on, like those of `source`. Nodes that
 * did not change stay the same nodes, so that a selection in them survives.
 * @param {Node} parent
 * @param {number} from
 * @param {Node} source is emptied
 */
function patchNodes(parent, from, source) {
  /** @type {ChildNode | null} */
  let old = parent.childNodes[from] ?? null;
  for (const node of Array.from(source.childNodes)) {
    /** @type {ChildNode | null} */
    const next = old && old.nextSibling;
    if (!old) parent.appendChild(node);
    else if (!patchNode(old, node)) old.replaceWith(node);
    old = next;
  }
  while (old) {
    /** @type {ChildNode | null} */
    const next = old.nextSibling;
    old.remove();
    old = next;
  }
}

/**
 * Make `old` like `node`, if they are of one kind.
 * @param {Node} old
 * @param {Node} node
 */
function patchNode(old, node) {
  if (old.isEqualNode(node)) return true;
  if (old instanceof Text && node instanceof Text) {
    if (node.data.startsWith(old.data)) old.appendData(node.data.slice(old.length));
    else if (old.data.startsWith(node.data)) old.deleteData(node.length, old.length);
    else old.data = node.data;
    return true;
  }
  if (!(old instanceof Element && node instanceof Element)) return false;
  if (!old.cloneNode(false).isEqualNode(node.cloneNode(false))) return false;
  patchNodes(old, 0, node);
  return true;
}

/**
 * Put text behind the first `at` child nodes.
 * @param {Node} parent
 * @param {number} at
 * @param {string} text
 * @returns {number} how many nodes there are more
 */
function patchAppend(parent, at, text) {
  if (text === "") return 0;
  const last = parent.childNodes[at - 1];
  if (last instanceof Text && last.length < PATCH_TEXT_NODE) {
    last.appendData(text);
    return 0;
  }
  parent.insertBefore(document.createTextNode(text), parent.childNodes[at] ?? null);
  return 1;
}

/**
 * @param {Element} code
 * @param {string} runs see `runs` in render/highlight.py
 */
function patchColour(code, runs) {
  if (!code || runs === "") return;
  const text = code.textContent ?? "";
  const coloured = document.createDocumentFragment();
  let position = 0;
  for (const run of runs.split(",")) {
    const length = parseInt(run, 10);
    const piece = text.slice(position, position + length);
    position += length;
    const name = run.slice(String(length).length);
    if (name === "") {
      coloured.append(piece);
    } else {
      const span = document.createElement("span");
      span.className = name;
      span.append(piece);
      coloured.append(span);
    }
  }
  coloured.append(text.slice(position));
  code.replaceChildren(coloured);
}
