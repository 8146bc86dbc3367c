// @ts-check
// The answer's sections in the page: reasoning folds, text, tool calls.

import { createCall } from "./call.js";
import { createDocument } from "./patch.js";
import { createFold } from "./folds.js";

/**
 * @typedef {object} Section
 * @property {HTMLElement} element
 * @property {ReturnType<typeof createDocument>} [doc]
 * @property {import("./folds.js").Fold} [fold]
 * @property {ReturnType<typeof createCall>} [call]
 */

/**
 * @param {HTMLElement} root where sections are put, before what already stands in it
 * @param {(block: Element) => void} onSealed is told each block of markdown that is complete
 * @param {(answer: object) => void} send takes what the reader decides to the kernel
 */
export function createSections(root, onSealed, send) {
  /** @type {Map<number, Section>} */
  let sections = new Map();
  const end = document.createComment("");
  root.prepend(end);

  /** @type {Record<string, (title: string) => Section>} */
  const make = {
    reasoning(title) {
      const fold = createFold(title, true);
      return { element: fold.element, fold, doc: createDocument(fold.body, onSealed) };
    },
    answer() {
      const element = document.createElement("div");
      element.className = "nbs-text";
      element.dir = "auto";
      return { element, doc: createDocument(element, onSealed) };
    },
    refusal() {
      const section = make.answer("");
      section.element.classList.add("nbs-refusal");
      return section;
    },
    call(title) {
      const call = createCall(title, onSealed, send);
      return { element: call.element, fold: call.fold, call };
    },
  };

  /** @type {Record<string, (section: Section, ...rest: any[]) => void>} */
  const change = {
    doc: (section, ops) => section.doc?.apply(ops),
    text: (section, piece) => section.call?.args.appendData(piece),
    state: (section, state) => section.call?.state(state),
    result: (section, result) => section.call?.result(result),
    title: (section, title) => section.fold?.title(title),
    settle: (section) => section.fold?.suggest(false),
  };

  /**
   * @param {number} id
   * @param {string} kind
   * @param {number | null} before
   * @param {string} title
   */
  function add(id, kind, before, title) {
    const section = make[kind](title);
    const next = before === null ? undefined : sections.get(before);
    root.insertBefore(section.element, next ? next.element : end);
    sections.set(id, section);
    return section;
  }

  return {
    /** @param {import("./store.js").Operation} op */
    apply([name, id, ...rest]) {
      if (name === "add") {
        add(id, rest[0], rest[1], rest[2]);
        return;
      }
      const section = sections.get(id);
      if (name === "drop") {
        section?.element.remove();
        sections.delete(id);
      } else if (section) {
        change[name](section, ...rest);
      }
    },

    /** @param {any[]} states */
    load(states) {
      const old = sections;
      sections = new Map();
      for (const state of states) {
        const section = add(state.id, state.kind, null, state.title);
        if (state.doc) section.doc?.load(state.doc);
        if (state.text) change.text(section, state.text);
        if (state.state) change.state(section, state.state);
        if (state.result) change.result(section, state.result);
        if (state.settled) section.fold?.suggest(false);
        const before = old.get(state.id)?.fold;
        if (before?.isTouched()) section.fold?.keep(before.element.open);
      }
      for (const section of old.values()) {
        section.call?.stop();
        section.element.remove();
      }
    },

    /** Nothing runs or waits any more. */
    settle() {
      for (const section of sections.values()) section.call?.state({});
    },

    stop() {
      for (const section of sections.values()) section.call?.stop();
    },
  };
}
