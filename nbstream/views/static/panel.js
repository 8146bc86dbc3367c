// @ts-check
// The entry: an anywidget module that shows a conversation.

import { announce } from "./announce.js";
import { createComposer } from "./composer.js";
import { createConversation } from "./conversation.js";
import { createDesk } from "./desk.js";
import { createDraft } from "./draft.js";
import { createHead } from "./head.js";
import { createOutbox } from "./outbox.js";
import { createResume } from "./resume.js";
import { createReturn } from "./return.js";
import { createStore } from "./store.js";
import { createTypesetter } from "./math.js";
import { LOST } from "./gone.js";
import { keepOutOfFile, panelText } from "./unsaved.js";
import { drawOnce } from "./classic.js";
import { guarded } from "./guarded.js";
import { createStandIn } from "./shared.js";
import { make } from "./elements.js";
import { receive } from "./receive.js";

/** One call a model: all views of the model share what is here. */
export default function createPanel() {
  /** @type {ReturnType<typeof createStore>} */
  let store;
  /** @type {ReturnType<typeof createDesk>} */
  let desk;
  /** @type {ReturnType<typeof createDraft>} */
  let draft;
  /** @type {ReturnType<typeof createOutbox>} */
  let outbox;
  /** @type {ReturnType<typeof createReturn>} */
  let back;
  /** @type {import("./question.js").Edits} */
  const edits = new Map();
  let views = 0;

  return {
    /** @param {{model: import("./widget.js").Model}} context */
    initialize({ model }) {
      store = createStore(() => model.send({ want: "snapshot" }));
      const path = guarded(() => model.widget_manager?.context?.path, "");
      draft = createDraft(model.get("name"), path ?? "");
      desk = createDesk(model, (reason) => {
        back.remember();
        draft.leave();
        draft.complain(reason);
        store.finish([["gone", { ...LOST, isPart: false }]]);
      });
      outbox = createOutbox(desk, draft);
      store.watch(watchRun(outbox.run));
      drawOnce(model.widget_manager);
      keepOutOfFile(model.widget_manager);
      const standIn = createStandIn(model.widget_manager, model.get("name"), panelText);
      back = createReturn(model, desk);

      /**
       * @param {any} message
       * @param {Promise<void>} before
       */
      function onMessage(message, before) {
        if ("re" in message) {
          void before.then(() => desk.hear(message)); // what it speaks of is then shown
          return;
        }
        if ("saved" in message) {
          back.put(message.saved, message.data);
          return;
        }
        store.frame(message);
        if (message.say) announce(message.say);
      }
      const stopReceiving = receive(model, store, onMessage);
      model.send({ want: "snapshot" }); // what the page has may be of long ago
      return () => {
        stopReceiving();
        back.stop();
        desk.close();
        draft.leave();
        standIn.settle();
      };
    },

    /** @param {{model: import("./widget.js").Model, el: HTMLElement}} context */
    render({ model, el }) {
      el.classList.add("nbs-host", "nbs-panel-host");
      const typeset = createTypesetter(model.widget_manager);
      const context = { model, desk, typeset, complain: draft.complain, edits };
      const conversation = createConversation(context, outbox);
      const composer = createComposer(desk, draft, outbox, {
        onSend: conversation.toEnd,
        onStop: conversation.stop,
      });
      const head = createHead(desk, draft.complain);
      const resume = createResume(desk, draft.complain);
      const parts = [head, conversation, resume, composer].map((part) => part.element);
      const root = make("section", "panel", ...parts);
      root.setAttribute("aria-label", "Chat");
      const stopKeeping = keepKeys(root);
      acceptFiles(root, (files) => void draft.attach(files));
      el.append(root);
      views += 1;
      draft.see(true);

      /** @param {any} about */
      function show(about) {
        head.show(about);
        conversation.mark(about.saved ?? []);
        resume.show(about.saved?.length ?? 0);
        conversation.greet(about.model);
      }
      const unwatch = store.watch({
        load(state) {
          conversation.load(state);
          show(state.about);
        },
        apply(ops) {
          conversation.apply(ops);
          for (const op of ops) if (op[0] === "about") show(op[1]);
        },
      });
      const unwatchRun = store.watch(watchRun(composer.run));
      requestAnimationFrame(() => {
        conversation.toEnd();
        composer.fit();
      });
      return () => {
        unwatch();
        unwatchRun();
        stopKeeping();
        conversation.remove();
        composer.remove();
        root.remove();
        views -= 1;
        draft.see(views > 0);
      };
    },
  };
}

/**
 * @param {(isRunning: boolean) => void} run is told whether an answer is being written
 * @returns {import("./store.js").Watcher}
 */
function watchRun(run) {
  return {
    load: ({ about }) => run(about.running !== null),
    apply(ops) {
      for (const [name, about] of ops) {
        if (name === "about") run(about.running !== null);
        else if (name === "gone") run(false);
      }
    },
  };
}

/**
 * Keep the keys that are pressed in the panel from Jupyter, which would take them for commands.
 * Saving is the one command that is meant wherever it is typed.
 * @param {HTMLElement} root
 * @returns {() => void} stops it
 */
function keepKeys(root) {
  /** @param {KeyboardEvent} event */
  const isSave = (event) => (event.ctrlKey || event.metaKey) && event.key?.toLowerCase() === "s";
  // Jupyter listens to the document: some versions on the way down, some on the way up.
  /** @param {KeyboardEvent} event */
  function onWayDown(event) {
    if (isSave(event)) root.removeAttribute("data-lm-suppress-shortcuts");
    else root.setAttribute("data-lm-suppress-shortcuts", "true");
  }
  window.addEventListener("keydown", onWayDown, true);
  root.addEventListener("keydown", (event) => {
    if (!isSave(event)) event.stopPropagation();
  });
  return () => window.removeEventListener("keydown", onWayDown, true);
}

/**
 * @param {HTMLElement} root
 * @param {(files: File[]) => void} onFiles
 */
function acceptFiles(root, onFiles) {
  root.addEventListener("dragover", (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    event.stopPropagation();
    root.classList.add("nbs-dropping");
  });
  root.addEventListener("dragleave", () => root.classList.remove("nbs-dropping"));
  root.addEventListener("drop", (event) => {
    root.classList.remove("nbs-dropping");
    const files = [...(event.dataTransfer?.files ?? [])];
    if (files.length === 0) return;
    event.preventDefault();
    event.stopPropagation();
    onFiles(files);
  });
}
