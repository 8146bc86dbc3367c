// @ts-check
// What a turn in the panel holds: the question, the answer, and what can be done with them.

import { announce } from "./announce.js";
import { copy } from "./clipboard.js";
import { createAnswer } from "./answer.js";
import { createQuestion } from "./question.js";
import { createStop } from "./stop.js";
import { stayPut } from "./follow.js";
import { createTool, make } from "./elements.js";
import { createWaiting, pause } from "./waiting.js";
import { wordsOf } from "./words.js";

const PATIENCE_MS = 500; // then the page copies what it shows, or nothing

/** @typedef {{id: number, question: import("./question.js").Question,
 *   answer: import("./store.js").State}} TurnState */
/** @typedef {{model: import("./widget.js").Model, desk: import("./desk.js").Desk,
 *   typeset: (block: Element) => void, complain: (problem: string) => void,
 *   edits: import("./question.js").Edits}} PanelContext */

/**
 * @param {HTMLElement} element the element to fill
 * @param {TurnState} state
 * @param {PanelContext} context
 */
export function createTurn(element, { id, question, answer: first }, context) {
  const { desk } = context;
  const waiting = createWaiting(desk);
  /** @param {{do: string, [name: string]: any}} what */
  async function ask(what) {
    const reply = await waiting.until(desk.ask({ ...what, turn: id }));
    if (reply.error) context.complain(reply.error);
    return reply;
  }

  /**
   * What is to be copied. Not later: by then the reader may have copied something else.
   * @param {{do: string, [name: string]: any}} what
   */
  const soon = (what) => Promise.race([desk.ask(what), pause(PATIENCE_MS)]);

  const asked = createQuestion(id, question, context);
  const host = make("div", "answer-host");
  const stop = createStop({
    ...context.model,
    widget_manager: context.model.widget_manager,
    send: (what) => void ask({ do: "decide", what }),
  });
  const answer = createAnswer(
    host,
    context.typeset,
    (what) => void ask({ do: "decide", what }),
    stop,
    stayPut, // the conversation scrolls
    async (what) => (await soon({ do: "source", turn: id, ...what }))?.text ?? null,
  );

  const place = make("span", "place");
  const again = createTool("again", "Regenerate", () => ask({ do: "again" }));
  const goOn = createTool("next", "Continue", () => ask({ do: "continue" }), "Continue");
  const retry = createTool("again", "Retry", () => ask({ do: "again" }), "Retry");
  const branches = make(
    "span",
    "branches",
    createTool("previous", "Previous branch", () => ask({ do: "branch", by: -1 })),
    place,
    createTool("next", "Next branch", () => ask({ do: "branch", by: 1 })),
  );
  const copyTool = createTool("copy", "Copy the answer", async () => {
    const reply = await soon({ do: "text", turn: id });
    const copied = await copy(reply?.text || wordsOf(answer.root, ".nbs-mark"));
    announce(copied ? "Copied." : "The browser does not allow copying.");
  });
  copyTool.classList.add("nbs-reads");
  const remove = createTool("remove", "Delete this turn", () => ask({ do: "remove" }));
  const tools = make("div", "turn-tools", copyTool, again, retry, goOn, remove, branches);
  element.append(asked.element, host, tools, waiting.element);

  /** @param {{mark: string, isPart: boolean} | null} ending */
  function ended(ending) {
    tools.hidden = ending === null;
    if (!ending) return;
    stop.end();
    again.hidden = ending.mark !== "";
    retry.hidden = ending.mark === "";
    goOn.hidden = !ending.isPart;
  }

  answer.load(first);
  ended(first.end);
  return {
    /** @param {import("./store.js").Operation[]} ops */
    apply(ops) {
      answer.apply(ops);
      for (const op of ops) if (op[0] === "end") ended(op[1]);
    },
    /** @param {[number, number] | undefined} branch which one of how many */
    locate(branch) {
      branches.hidden = !branch;
      place.textContent = branch ? `${branch[0]}/${branch[1]}` : "";
    },
    stop() {
      /** @type {HTMLElement | null} */ (host.querySelector(".nbs-stop"))?.click();
    },
    remove() {
      stop.end();
      answer.remove();
    },
  };
}
