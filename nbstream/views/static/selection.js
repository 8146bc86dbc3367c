// @ts-check
// A selection in the live view, found again in the saved output by the words selected.

/**
 * Remember what is selected in `root`.
 * @param {HTMLElement} root
 * @returns {(saved: Element) => void} selects the same in the saved output, where it is there
 */
export function keepSelection(root) {
  const selection = getSelection();
  if (!selection || selection.isCollapsed || selection.rangeCount === 0) return () => {};
  const range = selection.getRangeAt(0);
  if (!root.contains(range.startContainer) || !root.contains(range.endContainer)) return () => {};
  const words = range.toString();
  const before = document.createRange();
  before.setStart(root, 0);
  before.setEnd(range.startContainer, range.startOffset);
  const earlier = before.toString().split(words).length - 1;

  return (saved) => {
    const text = saved.textContent ?? "";
    let at = text.indexOf(words);
    for (let i = 0; i < earlier && at >= 0; i += 1) at = text.indexOf(words, at + words.length);
    if (at < 0) return;
    const start = textAt(saved, at);
    const end = textAt(saved, at + words.length);
    if (start && end) selection.setBaseAndExtent(start.node, start.offset, end.node, end.offset);
  };
}

/**
 * @param {Element} element
 * @param {number} offset in the element's text
 */
function textAt(element, offset) {
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  let left = offset;
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const length = /** @type {Text} */ (node).length;
    if (left <= length) return { node, offset: left };
    left -= length;
  }
  return null;
}
