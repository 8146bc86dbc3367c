// @ts-check
// Fills elements as they come into sight, and the others when the page has time.

const AHEAD = "1200px"; // filled before it can be seen
const LEAST_MS = 10; // of spare time; filling one takes a few

/** @typedef {{element: HTMLElement, fill: () => unknown}} Fillable */

/** @param {HTMLElement} scroller */
export function fillInSight(scroller) {
  /** @type {Map<Element, Fillable>} */
  const empty = new Map();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  /** @param {Fillable} item */
  function fill(item) {
    if (!empty.delete(item.element)) return;
    observer.unobserve(item.element);
    item.fill();
  }

  const observer = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) {
        const item = empty.get(entry.target);
        if (entry.isIntersecting && item) fill(item);
      }
    },
    { root: scroller, rootMargin: `${AHEAD} 0px` },
  );

  /** Fill from the end, one after the other, while nobody waits for the page. */
  function fillNext() {
    const last = [...empty.values()].at(-1);
    if (!last) return;
    if (typeof requestIdleCallback === "function") {
      requestIdleCallback((deadline) => {
        if (deadline.timeRemaining() > LEAST_MS) fill(last);
        schedule();
      });
    } else {
      fill(last);
      schedule();
    }
  }

  function schedule() {
    clearTimeout(timer);
    if (empty.size > 0) timer = setTimeout(fillNext, 30);
  }

  return {
    /** @param {Fillable} item may be one that is filled already */
    watch(item) {
      if (item.element.hasChildNodes() || empty.has(item.element)) return;
      empty.set(item.element, item);
      observer.observe(item.element);
      schedule();
    },
    /** @param {Fillable} item */
    forget(item) {
      empty.delete(item.element);
      observer.unobserve(item.element);
    },
    stop() {
      clearTimeout(timer);
      observer.disconnect();
      empty.clear();
    },
  };
}
