// @ts-check
// One status region in the page, which says to a screen reader what begins and ends.
// It is not part of a widget: the widget is gone in the moment in which the answer ends.

const ANNOUNCER = "nbs-announcer";

/** @param {string} text */
export function announce(text) {
  let region = document.querySelector(`.${ANNOUNCER}`);
  if (!region) {
    region = document.createElement("div");
    region.className = ANNOUNCER;
    region.setAttribute("role", "status");
    document.body.append(region);
  }
  region.textContent = text;
}
