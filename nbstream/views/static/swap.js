// @ts-check
// The end of an answer: Jupyter puts the saved output in the place of the live view. The
// reader should not notice: nothing jumps or goes blank, folds that she opened stay open,
// and what she selected stays selected.

import { guarded } from "./guarded.js";
import { keepSelection } from "./selection.js";

const LONGEST_MS = 2000;
const OUTPUT = ".jp-OutputArea-output";
const FOLDS = ":scope > details, :scope > .nbs-call > details"; // in a saved answer all are at the top

/**
 * To be called when the answer has ended, before Jupyter removes the live view.
 * @param {HTMLElement} root the live view
 */
export function keepPlace(root) {
  guarded(() => watchPlace(root), undefined);
}

/** @param {HTMLElement} root */
function watchPlace(root) {
  const child = root.closest(".jp-OutputArea-child");
  const area = child?.parentElement;
  if (!child || !area) return;
  const index = Array.from(area.children).indexOf(child);
  const open = Array.from(root.querySelectorAll(FOLDS), (fold) => fold.hasAttribute("open"));
  const select = keepSelection(root);
  const curtain = createCurtain(root, area);

  const live = child.querySelector(OUTPUT);
  function look() {
    const place = area.querySelectorAll(":scope > .jp-OutputArea-child")[index];
    const saved = place?.querySelector(".jp-RenderedMarkdown:not(.nbs-answer)");
    const output = place?.querySelector(OUTPUT);
    if (saved?.firstElementChild) {
      release();
      saved.querySelectorAll(":scope > details").forEach((fold, i) => {
        fold.toggleAttribute("open", open[i] ?? false);
      });
      select(saved);
    } else if (output && output !== live && !saved) {
      release(); // nothing came of it, and an error is there instead
    } else if (!root.isConnected) {
      curtain.show();
    }
  }
  const observer = new MutationObserver(() => {
    if (!guarded(() => (look(), true), false)) release();
  });
  const timer = setTimeout(release, LONGEST_MS);
  observer.observe(area, { childList: true, subtree: true });

  function release() {
    observer.disconnect();
    clearTimeout(timer);
    curtain.remove();
  }
}

/**
 * Jupyter renders markdown asynchronously, and the output is empty meanwhile. The curtain
 * holds its height, and shows the live view in its old place until the saved one is there.
 * @param {HTMLElement} root
 * @param {HTMLElement} area
 */
function createCurtain(root, area) {
  const outer = area.getBoundingClientRect();
  const inner = root.getBoundingClientRect();
  const element = document.createElement("div");
  element.className = "nbs-curtain";
  element.inert = true;
  element.style.top = `${inner.top - outer.top + area.scrollTop}px`;
  element.style.left = `${inner.left - outer.left}px`;
  element.style.width = `${inner.width}px`;
  const { minHeight, position } = area.style;
  area.style.minHeight = `${outer.height}px`;
  area.style.position = "relative";
  return {
    show() {
      element.append(root);
      area.append(element);
    },
    remove() {
      element.remove();
      Object.assign(area.style, { minHeight, position });
    },
  };
}
