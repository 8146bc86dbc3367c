// @ts-check
// The turns in the panel, and below them the questions that the kernel does not have yet.

import { createAttachments, createTool, make } from "./elements.js";
import { createCard } from "./card.js";
import { fillInSight } from "./sight.js";
import { followEnd } from "./follow.js";
import { whyWait } from "./waiting.js";

const BEHIND = "Waits: it is sent when the answer before it has ended.";
const TIPS = "Write {{name}} to show the model a variable. Paste or drop a picture to attach it.";

/**
 * @param {import("./turn.js").PanelContext} context
 * @param {import("./outbox.js").Outbox} outbox
 */
export function createConversation(context, outbox) {
  /** @type {Map<number, ReturnType<typeof createCard>>} */
  let cards = new Map();
  const turns = make("div", "turns");
  const waiting = make("div", "waiting");
  const greeting = make("p", "greeting");
  const empty = make("div", "empty", greeting, make("p", "", TIPS));
  const content = make("div", "content", empty, turns, waiting);
  const log = make("div", "log", content);
  log.tabIndex = 0;
  log.setAttribute("role", "region");
  log.setAttribute("aria-label", "Conversation");
  const down = createTool("down", "Go to the end", toEnd);
  down.classList.add("nbs-down");
  const element = make("div", "conversation", log, down);

  const following = followEnd(content);
  const sight = fillInSight(log);
  const unwatch = outbox.watch(showWaiting);
  const timer = setInterval(showWaiting, 1000); // the kernel's state may have changed
  log.addEventListener("scroll", showDown, { passive: true });
  const sizes = new ResizeObserver(showDown); // turns have their heights only once they are laid out
  sizes.observe(content);

  function toEnd() {
    log.scrollTop = log.scrollHeight;
  }
  function showDown() {
    down.hidden = log.scrollHeight - log.scrollTop - log.clientHeight < 120;
  }

  function showWaiting() {
    const { letters } = outbox;
    const isNew = letters.length > waiting.children.length;
    if (letters.length === 0 && waiting.children.length === 0) return;
    const why = whyWait(context.desk);
    const first = why ? `${why} It is sent when that has ended.` : "Sending…";
    const reasons = letters.map((_, i) => (i === 0 && outbox.isUnderWay ? first : BEHIND));
    waiting.replaceChildren(...letters.map((letter, i) => createLetter(letter, reasons[i])));
    showEmpty();
    if (isNew) toEnd();
  }

  function showEmpty() {
    empty.hidden = cards.size > 0 || outbox.letters.length > 0;
  }

  /**
   * @param {number[]} ids
   * @param {Record<string, [number, number]>} places
   */
  function arrange(ids, places) {
    const wasAtEnd = down.hidden;
    const before = cards;
    cards = new Map();
    ids.forEach((id, index) => {
      const card = before.get(id);
      if (!card) return;
      card.locate(index + 1, places[id]);
      const there = turns.children[index];
      if (there !== card.element) turns.insertBefore(card.element, there ?? null);
      sight.watch(card);
      cards.set(id, card);
      before.delete(id);
    });
    for (const card of before.values()) {
      const hadFocus = card.element.contains(document.activeElement);
      sight.forget(card);
      card.remove();
      if (hadFocus) log.focus({ preventScroll: true }); // what is gone cannot keep it
    }
    showEmpty();
    if (wasAtEnd) toEnd();
    showDown();
  }

  showEmpty();
  return {
    element,
    toEnd,

    /** Stop the answers that are being written. */
    stop() {
      for (const card of cards.values()) card.stop();
    },

    /** @param {number[]} ids the turns that only stand there: no request carries them */
    mark(ids) {
      for (const [id, card] of cards) card.element.classList.toggle("nbs-saved", ids.includes(id));
    },

    /** @param {string} model who is asked */
    greet(model) {
      greeting.textContent = model ? `Ask ${model}` : "Ask away";
    },

    /** @param {{turns: import("./turn.js").TurnState[], places: any}} state */
    load(state) {
      for (const card of cards.values()) {
        sight.forget(card);
        card.remove();
      }
      cards = new Map(state.turns.map((turn) => [turn.id, createCard(turn, context)]));
      arrange(
        state.turns.map((turn) => turn.id),
        state.places,
      );
    },

    /** @param {import("./store.js").Operation[]} ops */
    apply(ops) {
      for (const [name, ...rest] of ops) {
        if (name === "new") cards.set(rest[0].id, createCard(rest[0], context));
        else if (name === "turns") arrange(rest[0], rest[1]);
        else if (name === "in") cards.get(rest[0])?.apply(rest[1]);
        else if (name === "gone") for (const card of cards.values()) card.end(rest[0]);
      }
      following.keep();
    },

    remove() {
      clearInterval(timer);
      sizes.disconnect();
      sight.stop();
      following.stop();
      unwatch();
      for (const card of cards.values()) card.remove();
    },
  };
}

/**
 * @param {import("./outbox.js").Letter} letter
 * @param {string} reason
 */
function createLetter({ text, files }, reason) {
  const pictures = files.filter((file) => file.url).map((file) => file.url);
  const others = files.filter((file) => !file.url).map((file) => file.name);
  const words = make("div", "question-text", text);
  words.dir = "auto";
  const bubble = make("div", "bubble", createAttachments(pictures, others), words);
  const note = make("div", "waiting-note", reason);
  return make("div", "letter", make("div", "question", bubble), note);
}
