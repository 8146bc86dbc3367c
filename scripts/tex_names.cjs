// Writes nbstream/render/tex_names.py: which TeX every reader of an answer draws.
//
//   npm install --prefix FOLDER mathjax-full@3.2.2 mathjax@2.7.9 katex
//   node scripts/tex_names.cjs FOLDER
//
// The readers: MathJax 3 with the packages that JupyterLab 4 loads (all but the autoloaded
// ones; see createMathDocument in its mathjax-extension), MathJax 2 with the configuration
// that nbconvert loads (TeX-AMS), and KaTeX, which VS Code uses. A name gets in if MathJax 3
// makes nothing but signs of it, as the method behind it says, and the other two know it.
"use strict";

const fs = require("fs");
const path = require("path");

const modules = path.join(path.resolve(process.argv[2] ?? "."), "node_modules");
const load = (file) => require(path.join(modules, file));
const TEX = "mathjax-full/js/input/tex/";

// The packages of JupyterLab's that draw. Left out: action, html, newcommand, require, unicode,
// configmacros and their kind, which act on the page or on other formulas; bbox, colortbl,
// enclose and empheq, which take attributes; color, mhchem and environments are our own rules.
const PACKAGES = ["base", "ams", "boldsymbol", "braket", "cancel", "extpfeil", "gensymb", "mathtools", "upgreek"];

// The methods that make signs of their arguments and of nothing else. Left out are those that
// paint over what is around them (Lap, RaiseLower, Rule, Hskip, ...), that write attributes
// (MmlToken, FrameBox) and that change what follows (HandleDeclareOp, NewTagForm, ...).
const DRAW = new Set([
  ..."char Accent BuildRel CrLaTeX Dots Frac LeftRight Limits MakeBig MathFont Middle NamedFn".split(" "),
  ..."NamedOp Not Over Overline OverLine Overset Overunderset Phantom Root SetFont SetSize SetStyle".split(" "),
  ..."Smash Spacer Sqrt Stack TeXAtom TextFont UnderOver Underset VBox VCenter xArrow XArrow Tilde".split(" "),
  ..."Macro HBox MathBB HLine Binom CFrac Concat GetSide Strut Relation HandleOperatorName".split(" "),
]);
// Known to draw, by methods that could do more, or by packages that are left out.
const MORE = "binom dbinom tbinom dfrac tfrac bmod mod pmod pod boldsymbol varinjlim varliminf varlimsup varprojlim boxed fbox ce pu cancel bcancel xcancel notag nonumber operatorname left right middle hline hdashline mathstrut mbox substack limits nolimits".split(" ");
// Macros of the tables that would paint over what is around them, and what has a rule of our own.
const NEVER = new Set("TeX LaTeX pmb skew hbox newline intop label ref eqref".split(" "));
const HARMFUL = /\\(?:r?lap|raise|lower|kern|mkern|rule|Rule|hspace|mmlToken|unicode|href|class|style|cssId|DeclareMathOperator)(?![A-Za-z])/;

load(TEX + "AllPackages.js");
const { MapHandler } = load(TEX + "MapHandler.js");
const { ConfigurationHandler } = load(TEX + "Configuration.js");
const katex = load("katex");

const methods = new Map();
for (const file of ["base/BaseMethods", "ams/AmsMethods", "mathtools/MathtoolsMethods", "braket/BraketMethods"]) {
  for (const exported of Object.values(load(`${TEX}${file}.js`))) {
    if (!exported || typeof exported !== "object") continue;
    for (const [name, method] of Object.entries(exported)) methods.set(method, name);
  }
}

/** The names of MathJax 3 and how it draws them. */
function drawn() {
  const found = new Set();
  for (const name of PACKAGES) {
    const { macro, delimiter } = ConfigurationHandler.get(name).handler;
    for (const map of [...macro, ...delimiter].map((id) => MapHandler.getMap(id))) {
      for (const [key, entry] of map?.map ?? []) {
        const command = key.replace(/^\\/, "");
        const method = entry.func ? methods.get(entry.func) ?? entry.func.name : "char";
        const harmful = HARMFUL.test(JSON.stringify(entry.args ?? "").replaceAll("\\\\", "\\"));
        if (/^[A-Za-z]+$/.test(command) && DRAW.has(method) && !harmful) found.add(command);
      }
    }
  }
  return found;
}

/** The names that stand in the tables of MathJax 2 as nbconvert loads it. */
function mathjax2() {
  const files = ["jax/input/TeX/jax.js", "extensions/TeX/AMSmath.js", "extensions/TeX/AMSsymbols.js"];
  const source = files.map((file) => fs.readFileSync(path.join(modules, "mathjax/unpacked", file), "utf8"));
  return new Set([...source.join("\n").matchAll(/[,{\n]\s*['"]?\\{0,2}([A-Za-z]+)['"]?\s*:\s*[['"]/g)].map((m) => m[1]));
}

const TRIES = ["", "{x}", "{x}{y}", "(", "{x}{y}{z}", "."];
function isInKatex(name) {
  return TRIES.some((rest) => {
    try {
      katex.renderToString(`\\sum\\${name}${rest} b`, { strict: "ignore", displayMode: true });
      return true;
    } catch {
      return false;
    }
  });
}

const older = mathjax2();
const names = [...drawn(), ...MORE].filter((name) => !NEVER.has(name));
const kept = [...new Set(names)].filter((name) => MORE.includes(name) || (older.has(name) && isInKatex(name)));
kept.sort();
const left = [...new Set(names)].filter((name) => !kept.includes(name)).sort();
console.error(`${kept.length} names; drawn by MathJax 3 alone: ${left.join(" ")}`);

const lines = [];
let line = "";
for (const name of kept) {
  if (line && line.length + name.length + 1 > 99) {
    lines.push(line);
    line = "";
  }
  line += (line && " ") + name;
}
lines.push(line);
const file = path.join(__dirname, "../nbstream/render/tex_names.py");
fs.writeFileSync(
  file,
  `"""The names of TeX that every reader draws; written by scripts/tex_names.cjs, not by hand."""

__all__ = ["COMMANDS"]

#: Names without the backslash, known to MathJax 3 as JupyterLab loads it, to MathJax 2 as
#: nbconvert does, and to KaTeX.
_NAMES = """
${lines.join("\n")}
"""
COMMANDS = frozenset(_NAMES.split())
`,
);
