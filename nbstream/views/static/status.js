// @ts-check
// The quiet line that is there while the answer runs: model, time, what is waited for.

/**
 * @param {number} seconds since the answer was asked for
 * @param {HTMLElement} action what the reader can do: a button
 */
export function createStatus(seconds, action) {
  const started = Date.now() - seconds * 1000;
  const element = document.createElement("div");
  element.className = "nbs-status";
  const pulse = document.createElement("span");
  pulse.className = "nbs-pulse";
  pulse.setAttribute("aria-hidden", "true");
  const text = document.createElement("span");
  text.className = "nbs-status-text";
  text.dir = "auto";
  element.append(pulse, text, action);

  let model = "";
  let notice = "";
  function show() {
    const elapsed = `${Math.max(0, Math.round((Date.now() - started) / 1000))} s`;
    text.textContent = [model, notice || elapsed].filter(Boolean).join(" · ");
  }
  const timer = setInterval(() => {
    pulse.classList.toggle("nbs-dim");
    show();
  }, 1000);
  show();

  return {
    element,
    /**
     * @param {string} newModel
     * @param {string} newNotice
     */
    update(newModel, newNotice) {
      model = newModel;
      notice = newNotice;
      show();
    },
    remove() {
      clearInterval(timer);
      element.remove();
    },
  };
}
