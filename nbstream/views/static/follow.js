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
 * @typedef {object} Following
 * @property {() => void} keep scrolls to what has just been added: the browser would tell of it
 *     after the layout, when it takes a frame more to scroll
 * @property {() => void} stop
 */

/**
 * For what is scrolled by somebody else, or not at all.
 * @returns {Following}
 */
export function stayPut() {
  return { keep() {}, stop() {} };
}

/**
 * @param {HTMLElement} element the growing content
 * @returns {Following}
 */
export function followEnd(element) {
  let height = element.getBoundingClientRect().height;
  let visible = 0; // the height of the scroller
  let top = 0; // how far it was scrolled
  let wasAtEnd = true;
  /** @type {HTMLElement | null} */
  let scroller = null;

  /** How far the end is below the visible part, where the content has this height. */
  function below(height = element.getBoundingClientRect().height) {
    const view = scroller ? scroller.getBoundingClientRect().bottom : innerHeight;
    return element.getBoundingClientRect().top + height - view;
  }
  function look() {
    if (scroller?.clientHeight !== visible) return; // not scrolled: it has become smaller
    const isUp = scroller.scrollTop < top;
    top = scroller.scrollTop;
    const [was, is] = [below(height), below()];
    const isPast = is < -NEAR - innerHeight;
    const isAtEnd = is < NEAR || (was < NEAR && is < visible);
    if (isAtEnd && !isPast) wasAtEnd = true;
    // The browser scrolls down, too: where what is above the visible part has grown.
    else if (isUp || isPast) wasAtEnd = false;
  }
  // A scroll event can come after the content has grown, or the scroller has become smaller,
  // and before this knows it: so `look` counts with the last known heights, too.
  const observer = new ResizeObserver(() => {
    if (element.getClientRects().length === 0) return; // it is on a tab that is not shown
    const found = scrollerOf(element);
    if (found !== scroller) {
      scroller?.removeEventListener("scroll", look);
      if (scroller) observer.unobserve(scroller);
      scroller = found;
      scroller?.addEventListener("scroll", look, { passive: true });
      visible = scroller?.clientHeight ?? 0;
      top = scroller?.scrollTop ?? 0;
      if (scroller) {
        look();
        observer.observe(scroller); // the visible part can become smaller, too
      }
    }
    toEnd();
  });
  observer.observe(element);

  function toEnd() {
    height = element.getBoundingClientRect().height;
    visible = scroller?.clientHeight ?? 0;
    const distance = below();
    if (scroller && wasAtEnd && distance > 0) scroller.scrollTop += distance;
  }

  return {
    keep() {
      if (scroller && wasAtEnd) toEnd();
    },
    stop() {
      observer.disconnect();
      scroller?.removeEventListener("scroll", look);
    },
  };
}
