// @ts-check
// What stands at a code block: its language, and buttons to wrap its lines and to copy it.

import { createCopyButton } from "./copying.js";

/**
 * @param {Element} block a sealed block, which may be or hold code blocks
 * @param {boolean} stays whether it will be shown for long: else wrapped lines would soon be
 *     long again, and move what the reader reads
 */
export function addCodeTools(block, stays) {
  const frames = block.matches(".nbs-code") ? [block] : block.querySelectorAll(".nbs-code");
  for (const frame of frames) {
    const code = frame.querySelector("pre > code");
    if (!code || frame.querySelector(".nbs-code-tools")) continue;
    const tools = document.createElement("div");
    tools.className = "nbs-code-tools";
    const language = document.createElement("span");
    language.textContent = code.className.replace(/^language-/, "");
    const copyCode = async () => asItCame(code.textContent ?? "");
    tools.append(language, ...(stays ? [wrapButton(frame)] : []));
    tools.append(createCopyButton("Copy", "Copy the code", copyCode));
    frame.prepend(tools); // where the keyboard comes before the code, and which sticks to the top
  }
}

/** @param {Element} frame */
function wrapButton(frame) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "nbs-copy";
  button.textContent = "Wrap";
  button.setAttribute("aria-label", "Wrap long lines");
  button.setAttribute("aria-pressed", "false");
  button.addEventListener("click", () => {
    const isWrapped = frame.classList.toggle("nbs-wrapped");
    button.setAttribute("aria-pressed", String(isWrapped));
  });
  return button;
}

/**
 * The code without the names of invisible characters, `⟨U+200B⟩`: as it came.
 * @param {string} text
 */
function asItCame(text) {
  return text.replace(/⟨U\+([0-9A-F]{4,6})⟩/g, (_, code) => String.fromCodePoint(parseInt(code, 16)));
}
