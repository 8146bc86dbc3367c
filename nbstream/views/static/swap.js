// @ts-check
// The end of an answer: Jupyter puts the saved output in the place of the live view. The
// reader should not notice: nothing jumps, folds that she opened stay open, and what she
// selected stays selected.

import { keepSelection } from "./selection.js";

const LONGEST_MS = 2000;

/** @param {HTMLElement} root the live view, while it is still in the page */
export function keepPlace(root) {
  const child = root.closest(".jp-OutputArea-child");
  const area = child?.parentElement;
  if (!child || !area) return;
  const index = [...area.children].indexOf(child);
  const open = [...root.querySelectorAll(":scope > details")].map((fold) => fold.hasAttribute("open"));
  const select = keepSelection(root);
  // Jupyter renders markdown asynchronously; without this the output is empty for a moment.
  area.style.minHeight = `${area.getBoundingClientRect().height}px`;

  const observer = new MutationObserver(() => {
    const saved = area.children[index]?.querySelector(".jp-RenderedMarkdown:not(.nbs-answer)");
    if (!saved?.firstElementChild) return;
    saved.querySelectorAll(":scope > details").forEach((fold, i) => {
      fold.toggleAttribute("open", open[i] ?? false);
    });
    select(saved);
    release();
  });
  observer.observe(area, { childList: true, subtree: true });
  const timer = setTimeout(release, LONGEST_MS);

  function release() {
    observer.disconnect();
    clearTimeout(timer);
    if (area) area.style.minHeight = "";
  }
}
