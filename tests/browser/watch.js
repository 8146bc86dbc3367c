// Watches a page for what hostile text may not do in it: run code, or bring more into
// answers than plain content. `watcher.found` is what was seen; `watcher.look()` goes
// through all answers once more and returns how many elements are in them.
(() => {
  if (window.watcher) return;
  const found = [];
  for (const name of ["alert", "confirm", "prompt", "print", "open"]) {
    window[name] = (...args) => void found.push(`${name}(${args}) ran`);
  }

  // The live view, and markdown as JupyterLab and nbconvert write it.
  const ANSWERS = ".nbs-answer, .nbs-panel, .jp-OutputArea .jp-RenderedMarkdown";
  // MathJax's own elements, made from formulas.
  const TYPESET = "mjx-container, mjx-test, mjx-measure-text";
  // What JupyterLab makes of a diagram: a picture, or its text and what is wrong with it.
  const DIAGRAM = ".jp-OutputArea-output .jp-RenderedMermaid :is(figure, figcaption, img)";
  const TAGS = new Set(
    `a blockquote br button code del details div em h1 h2 h3 h4 h5 h6 hr input kbd li mark ol p pre
    s section span strong sub summary sup table tbody td textarea th thead tr u ul`.split(/\s+/),
  );
  const PANEL_TAGS = new Set(
    `article fieldset img label legend option path select svg`.split(/\s+/),
  );
  // Those that a tool made or the user attached, and in texts; the address is of data.
  const IN_TEXTS = ".nbs-answer .nbs-text img, .nbs-answer .nbs-fold-body img, .jp-OutputArea-output img";
  const PICTURES = `.nbs-answer .nbs-call > img, ${IN_TEXTS}`;
  const PICTURE = /^(blob:|data:image\/(png|jpeg|gif|webp);base64,[\w+/=]*$)/;
  const LIVE_CLASS = /^(nbs-[a-z-]+|language-[\w+#.-]+|highlight|task-list-item(-checkbox)?|[a-z][a-z0-9]{0,2})$/;
  const ANY = /^/;
  // Attribute, elements that may have it, values.
  const ATTRIBUTES = [
    ["class", "*", ANY],
    ["href", "a", /^(https?:\/\/[^/?#\\]|mailto:|#)/i],
    // JupyterLab's path resolver takes one slash out of addresses that it cannot parse.
    ["href", ".jp-OutputArea-output a", /^https?:/i],
    ["title", "a", ANY],
    ["target", "a", /^_(blank|self)$/],
    ["rel", "a", /^(noopener|noreferrer|nofollow| )*$/],
    ["start", "ol", /^\d+$/],
    ["type", "input, button", /^(checkbox|button)$/],
    ["checked", "input", ANY],
    ["disabled", "input", ANY],
    ["open", "details", /^$/],
    ["dir", "*", /^(auto|rtl)$/],
    ["aria-label", "button", /^Copy the (code|formula as LaTeX|table as (Markdown|CSV))$/],
    ["aria-label", "button", /^Wrap long lines$/],
    ["aria-pressed", "button", /^(true|false)$/],
    ["aria-disabled", ".nbs-stop", /^(true|false)$/],
    ["data-lm-suppress-shortcuts", ".nbs-stop", /^true$/], // JupyterLab's: its keys are not pressed
    ["role", "p.nbs-failed", /^alert$/],
    ["role", "sup", /^link$/],
    ["tabindex", "sup", /^0$/],
    ["rows", ".nbs-approval textarea", /^\d+$/],
    ["spellcheck", ".nbs-approval textarea", /^false$/],
    ["aria-label", ".nbs-approval textarea", /^Arguments, as JSON$/],
    ["hidden", ".nbs-approval textarea, .nbs-approval button", /^$/],
    ["aria-hidden", "span", /^true$/],
    ["src", PICTURES, PICTURE],
    ["src", DIAGRAM, /^data:image\/svg\+xml,/],
    ["width", DIAGRAM, /^\d+$/],
    ["alt", IN_TEXTS, ANY],
    ["title", IN_TEXTS, ANY],
    ["alt", PICTURES, /^(what the tool returned|attached)$/],
    // Written by the front ends themselves, into markdown of whatever origin.
    ["data-jupyter-id", "h1, h2, h3, h4, h5, h6", ANY],
    ["id", ".jp-OutputArea-output :is(h1, h2, h3, h4, h5, h6)", ANY],
    ["align", ".jp-OutputArea-output :is(td, th)", /^(left|center|right)$/],
    ["style", ".jp-OutputArea-output p[dir=rtl]", /^text-align: ?right;?$/],
    ["style", ".jp-OutputArea-output :is(td, th)", /^text-align: ?(left|center|right);?$/],
  ];

  // What the panel itself has around the answers.
  const PANEL_ATTRIBUTES = [
    ["class", "*", /^(nbs-[a-z-]+( |$))*$/],
    ["class", ".nbs-answer", /^nbs-answer jp-RenderedHTMLCommon jp-RenderedMarkdown$/],
    ["id", ".nbs-names, .nbs-name", /^nbs-names-\d+(-\d+)?$/],
    ["style", "textarea, .nbs-gauge > span", /^((height|width): (auto|[\d.]+(px|%));)?$/],
    ["src", "img", PICTURE],
    ["value", "option", ANY],
    ["aria-label", "*", ANY],
    ["title", "button", ANY],
    ["d", "path", /^[\d\w .,-]+$/],
    ["viewBox", "svg", /^0 0 16 16$/],
    ["data-lm-suppress-shortcuts", ".nbs-panel", /^true$/],
    ...[
      ...["alt", "disabled", "dir", "hidden", "max", "min", "multiple", "open", "placeholder"],
      ...["role", "rows", "spellcheck", "step", "tabindex", "type"],
      ...["activedescendant", "autocomplete", "controls", "disabled", "expanded", "haspopup"].map(
        (name) => `aria-${name}`,
      ),
      ...["aria-busy", "aria-hidden", "aria-pressed", "aria-selected"],
    ].map((name) => [name, "*", /^[\w:.…' -]*$/]),
  ];

  function isAllowed(element, { name, value }, attributes) {
    return attributes.some(
      ([known, where, values]) => known === name && values.test(value) && element.matches(where),
    );
  }

  /** What was taken out of the page again may have been the panel's. */
  function isInPanel(element) {
    return element.closest(".nbs-panel") || !(element.isConnected || element.closest(ANSWERS));
  }

  function check(element) {
    const report = (what) => found.push(`${what}: ${element.outerHTML.slice(0, 300)}`);
    if (element.closest(TYPESET)) {
      const bad = Array.from(element.attributes, ({ name }) => name).filter((name) =>
        /^(on|src|id$|name$)|href$/.test(name),
      );
      if (bad.length) report(bad);
      if (!/^(mjx-|svg$|g$|path$|use$|defs$|rect$|line$|math$|m[a-z]+$|semantics$)/.test(element.localName)) {
        report("a strange element in a formula");
      }
      return;
    }
    const isPanels = isInPanel(element) && !element.parentElement?.closest(".nbs-answer");
    const isIcon = isPanels && element.matches(".nbs-tool > svg, .nbs-tool > svg > path");
    if (element.namespaceURI !== "http://www.w3.org/1999/xhtml" && !isIcon) report("not HTML");
    const isPicture = element.matches(PICTURES) || element.matches(DIAGRAM);
    const isKnown = TAGS.has(element.localName) || (isPanels && PANEL_TAGS.has(element.localName));
    if (!isKnown && !isPicture) report("a strange element");
    const attributes = isPanels ? [...PANEL_ATTRIBUTES, ...ATTRIBUTES] : ATTRIBUTES;
    for (const attribute of element.attributes) {
      if (!isAllowed(element, attribute, attributes)) report(`a strange ${attribute.name}`);
    }
    if (element.parentElement?.closest(".nbs-answer")) {
      for (const name of element.classList) if (!LIVE_CLASS.test(name)) report(`class ${name}`);
    }
  }

  function look(root = document) {
    const answers = Array.from(root.querySelectorAll(ANSWERS));
    if (root.matches?.(ANSWERS)) answers.push(root);
    const elements = new Set(answers.flatMap((answer) => [...answer.querySelectorAll("*")]));
    elements.forEach(check);
    return elements.size;
  }

  // What stands in an answer for a moment only has been in the page, too.
  new MutationObserver((records) => {
    const changed = new Set();
    for (const { type, target, addedNodes } of records) {
      if (type === "attributes" && target.parentElement?.closest(ANSWERS)) changed.add(target);
      for (const node of addedNodes) {
        if (!(node instanceof Element)) continue;
        if (!target.closest?.(ANSWERS)) look(node);
        else for (const element of [node, ...node.querySelectorAll("*")]) changed.add(element);
      }
    }
    changed.forEach(check);
  }).observe(document, { childList: true, subtree: true, attributes: true });

  window.watcher = { found, look };
})();
