// @ts-check
// A turn in the panel: the question, the answer, and what can be done with them.

import { announce } from "./announce.js";
import { copy } from "./clipboard.js";
import { createAnswer } from "./answer.js";
import { createAttachments, createTool, make } from "./elements.js";
import { createStop } from "./stop.js";

/**
 * @typedef {object} Question
 * @property {string} typed
 * @property {string} sent what went to the model, where it is something else
 * @property {string[]} pictures
 * @property {string[]} files
 */
/** @typedef {{id: number, question: Question, answer: import("./store.js").State}} TurnState */
/** @typedef {{model: import("./widget.js").Model, desk: import("./desk.js").Desk,
 *   typeset: (block: Element) => void, complain: (problem: string) => void}} PanelContext */

/**
 * @param {TurnState} state
 * @param {PanelContext} context
 */
export function createCard({ id, question, answer: first }, context) {
  const { desk } = context;
  /** @param {{do: string, [name: string]: any}} what */
  async function ask(what) {
    const reply = await desk.ask({ ...what, turn: id });
    if (reply.error) context.complain(reply.error);
    return reply;
  }

  const asked = createQuestion(question, (text) => ask({ do: "edit", text }));
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
    () => () => {},
  );

  const place = make("span", "place");
  const again = createTool("again", "Regenerate", () => void ask({ do: "again" }));
  const goOn = createTool("next", "Continue", () => void ask({ do: "continue" }), "Continue");
  const retry = createTool("again", "Try again", () => void ask({ do: "again" }), "Try again");
  const branches = make(
    "span",
    "branches",
    createTool("previous", "Previous branch", () => void ask({ do: "branch", by: -1 })),
    place,
    createTool("next", "Next branch", () => void ask({ do: "branch", by: 1 })),
  );
  const copyTool = createTool("copy", "Copy the answer", async () => {
    const reply = await ask({ do: "text" });
    const copied = await copy(reply.text ?? answer.root.innerText);
    announce(copied ? "Copied." : "The browser does not allow copying.");
  });
  const remove = createTool("remove", "Delete this turn", () => void ask({ do: "remove" }));
  const tools = make("div", "turn-tools", copyTool, again, retry, goOn, remove, branches);
  const element = make("article", "turn", asked.element, host, tools);

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
    element,
    /** @param {import("./store.js").Operation[]} ops */
    apply(ops) {
      answer.apply(ops);
      for (const op of ops) if (op[0] === "end") ended(op[1]);
    },
    /**
     * @param {number} number the place in the conversation, from 1
     * @param {[number, number] | undefined} branch which one of how many
     */
    locate(number, branch) {
      element.setAttribute("aria-label", `Turn ${number}`);
      branches.hidden = !branch;
      place.textContent = branch ? `${branch[0]}/${branch[1]}` : "";
    },
    stop() {
      /** @type {HTMLElement | null} */ (host.querySelector(".nbs-stop"))?.click();
    },
    remove() {
      stop.end();
      answer.remove();
      element.remove();
    },
  };
}

/**
 * @param {Question} question
 * @param {(text: string) => void} onEdit is told the new text
 */
function createQuestion({ typed, sent, pictures, files }, onEdit) {
  const text = make("div", "question-text", typed);
  text.dir = "auto";
  const edit = createTool("edit", "Edit the question", () => {
    const field = createEditor(typed, onEdit, () => {
      field.replaceWith(bubble);
      edit.focus();
    });
    bubble.replaceWith(field);
    field.querySelector("textarea")?.focus();
  });
  const bubble = make("div", "bubble", createAttachments(pictures, files), text);
  if (sent) {
    const summary = make("summary", "", "What was sent");
    const body = make("pre", "", sent);
    body.dir = "auto";
    body.tabIndex = 0;
    bubble.append(make("details", "sent", summary, body));
  }
  return { element: make("div", "question", edit, bubble) };
}

/**
 * @param {string} text
 * @param {(text: string) => void} onSend
 * @param {() => void} onClose
 */
function createEditor(text, onSend, onClose) {
  const field = make("textarea", "editor");
  field.value = text;
  field.rows = Math.min(10, text.split("\n").length + 1);
  field.setAttribute("aria-label", "The question, edited");
  const send = () => {
    onClose();
    onSend(field.value);
  };
  field.addEventListener("keydown", (event) => {
    if (event.key === "Escape") onClose();
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    send();
  });
  const buttons = make(
    "div",
    "buttons",
    createTool("send", "Send", send, "Send"),
    createTool("clear", "Cancel", onClose, "Cancel"),
  );
  return make("div", "editing", field, buttons);
}
