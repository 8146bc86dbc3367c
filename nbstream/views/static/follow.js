// @ts-check
// Scrolling follows the stream while the reader is at its end, and only then.

const NEAR = 32; // pixels

/** @param {Element} element */
function scrollerOf(element) {
  for (let node = element.parentElement; node; node = node.parentElement) {
    const overflow = getComputedStyle(node).overflowY;
    if (overflow !== "auto" && overflow !== "scroll") continue;
    if (node.scrollHeight > node.clientHeight + 1) return node;
  }
  return null;
}

/**
 * @param {HTMLElement} element the growing content
 * @returns {() => void} stops following
 */
export function followEnd(element) {
  let height = element.getBoundingClientRect().height;
  let wasAtEnd = true;
  /** @type {HTMLElement | null} */
  let scroller = null;

  /** How far the end is below the visible part, at the height of the last layout. */
  function below() {
    const view = scroller ? scroller.getBoundingClientRect().bottom : innerHeight;
    return element.getBoundingClientRect().top + height - view;
  }
  function look() {
    const distance = below();
    wasAtEnd = distance < NEAR && distance > -NEAR - innerHeight;
  }
  // A scroll event can come after the content has grown and before this knows it: `below`
  // therefore counts with the last known height.
  const observer = new ResizeObserver(() => {
    const found = scrollerOf(element);
    if (found !== scroller) {
      scroller?.removeEventListener("scroll", look);
      scroller = found;
      scroller?.addEventListener("scroll", look, { passive: true });
      if (scroller) look();
    }
    height = element.getBoundingClientRect().height;
    const distance = below();
    if (scroller && wasAtEnd && distance > 0) scroller.scrollTop += distance;
  });
  observer.observe(element);
  return () => {
    observer.disconnect();
    scroller?.removeEventListener("scroll", look);
  };
}
