// @ts-check
// The buttons that copy a part of an answer: its code, a table, a formula.

import { announce } from "./announce.js";
import { copy } from "./clipboard.js";

const SHOWN_MS = 2000; // what became of a click

/**
 * @param {string} text what the button is called
 * @param {string} label what it does
 * @param {() => Promise<string | null>} get the text to be copied; null where it cannot be had now
 */
export function createCopyButton(text, label, get) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "nbs-copy";
  button.textContent = text;
  button.setAttribute("aria-label", label);
  button.addEventListener("click", async () => {
    const [short, long] = await copied(get);
    announce(long);
    button.textContent = short;
    setTimeout(() => {
      button.textContent = text;
    }, SHOWN_MS);
  });
  return button;
}

/**
 * @param {() => Promise<string | null>} get
 * @returns {Promise<[string, string]>} what became of it, in a word and in a sentence
 */
async function copied(get) {
  const text = await get();
  if (text === null) {
    return ["Kernel is busy", "Not copied: the kernel is running a cell. Try again afterwards."];
  }
  return (await copy(text))
    ? ["Copied", "Copied."]
    : ["Not allowed", "The browser does not allow copying."];
}
