// @ts-check
// The place of a turn in the panel. It is filled when it comes near the part that is in sight,
// or when the page has nothing else to do, so that a long conversation opens at once.

import { createTurn } from "./turn.js";
import { make } from "./elements.js";

/**
 * @param {import("./turn.js").TurnState} state
 * @param {import("./turn.js").PanelContext} context
 */
export function createCard(state, context) {
  const element = make("article", "turn");
  /** @type {ReturnType<typeof createTurn> | null} */
  let turn = null;
  /** @type {[number, number] | undefined} */
  let branch;
  let isOver = state.answer.end !== null;

  function fill() {
    if (turn) return turn;
    turn = createTurn(element, state, context);
    turn.locate(branch);
    return turn;
  }

  return {
    element,
    fill,
    /** @param {import("./store.js").Operation[]} ops */
    apply(ops) {
      isOver ||= ops.some(([name]) => name === "end");
      fill().apply(ops);
    },
    /**
     * End the answer, if it is still being written.
     * @param {object} ending
     */
    end(ending) {
      if (!isOver) this.apply([["end", ending]]);
    },
    /**
     * @param {number} number the place in the conversation, from 1
     * @param {[number, number] | undefined} which branch of how many
     */
    locate(number, which) {
      element.setAttribute("aria-label", `Turn ${number}`);
      branch = which;
      turn?.locate(branch);
    },
    stop() {
      turn?.stop();
    },
    remove() {
      turn?.remove();
      element.remove();
    },
  };
}
