// @ts-check
// What stands beside a code block in the live view: its language, and a button to copy it.

import { announce } from "./announce.js";
import { copy } from "./clipboard.js";

/** @param {Element} block a sealed block, which may be or hold code blocks */
export function addCodeTools(block) {
  const frames = block.matches(".nbs-code") ? [block] : block.querySelectorAll(".nbs-code");
  for (const frame of frames) {
    const code = frame.querySelector("pre > code");
    if (!code || frame.querySelector(".nbs-code-tools")) continue;
    const tools = document.createElement("div");
    tools.className = "nbs-code-tools";
    const language = document.createElement("span");
    language.textContent = code.className.replace(/^language-/, "");
    tools.append(language, copyButton(code));
    frame.append(tools);
  }
}

/**
 * The code without the names of signs that nobody sees, `⟨U+200B⟩`: with the signs.
 * @param {string} text
 */
function asItCame(text) {
  return text.replace(/⟨U\+([0-9A-F]{4,6})⟩/g, (_, code) => String.fromCodePoint(parseInt(code, 16)));
}

/** @param {Element} code */
function copyButton(code) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "nbs-copy";
  button.textContent = "Copy";
  button.setAttribute("aria-label", "Copy the code");
  button.addEventListener("click", async () => {
    const copied = await copy(asItCame(code.textContent ?? ""));
    announce(copied ? "Copied." : "The browser does not allow copying.");
    button.textContent = copied ? "Copied" : "Not allowed";
    setTimeout(() => {
      button.textContent = "Copy";
    }, 2000);
  });
  return button;
}
