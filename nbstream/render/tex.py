r"""Which TeX a front end may typeset.

MathJax, as JupyterLab and nbconvert load it, does more than typeset: `\href` links to any
address, `javascript:` too; `\style{background:url(…)}` loads it; `\cssId`, `\class` and
`\mmlToken` write attributes; `\require` loads code; `\def` changes the math of other
cells; `\raise` and `\rule` paint over the page. All of that happens after the sanitizer.
So only commands that are known to draw signs are let through.

The names are those of MathJax's `base`, `ams` and `mhchem` extensions that draw
(https://docs.mathjax.org/en/v3.2/input/tex/macros/index.html).
"""

from __future__ import annotations

import re

__all__ = ["portable"]

_COMMAND_NAMES = """
acute arccos arcsin arctan arg atop bar Bbb bcancel bf Big big Bigg bigg Biggl biggl Biggm biggm
Biggr biggr Bigl bigl Bigm bigm Bigr bigr binom bmod boldsymbol boxed brace brack breve buildrel
cal cancel ce cfrac check choose cos cosh cot coth csc dbinom ddddot dddot ddot deg degree det
dfrac dim displaystyle dot dots enspace exp fbox frac frak gcd grave hat hdashline hline hom
hphantom Huge huge idotsint iff impliedby implies inf injlim it ker LARGE Large large left lg lim
liminf limits limsup ln log mathbb mathbf mathbfcal mathbffrak mathbfit mathbfscr mathbfsf
mathbfsfit mathbin mathcal mathclose mathfrak mathinner mathit mathnormal mathop mathopen mathord
mathpunct mathrel mathring mathrm mathscr mathsf mathsfit mathstrut mathtt mathup max mbox middle
min mod negmedspace negthickspace negthinspace nobreakspace nolimits nonumber normalsize not notag
operatorname over overbrace overleftarrow overleftrightarrow overline overparen overrightarrow
overset overunderset phantom pmod pod Pr projlim pu qquad quad right rm root scr scriptscriptstyle
scriptsize scriptstyle sec sf sin sinh small smash space sqrt stackbin stackrel strut substack sup
tan tanh tbinom text textbf textit textnormal textrm textsf textstyle texttt textup tfrac
thinspace tilde Tiny tiny tt underbrace underleftarrow underleftrightarrow underline underparen
underrightarrow underset varinjlim varliminf varlimsup varprojlim vcenter vec vphantom widehat
widetilde xcancel xleftarrow xrightarrow Arrowvert arrowvert backslash bracevert Downarrow
downarrow gt langle lbrace lbrack lceil lfloor lgroup llcorner lmoustache lrcorner lt lVert lvert
rangle rbrace rbrack rceil rfloor rgroup rmoustache rVert rvert ulcorner Uparrow uparrow
Updownarrow updownarrow urcorner Vert vert aleph alpha And angle beta bot chi clubsuit Delta delta
diamondsuit ell emptyset epsilon eta exists flat forall Gamma gamma hbar heartsuit Im imath infty
iota jmath kappa Lambda lambda lnot mu nabla natural neg nu Omega omega omicron partial Phi phi Pi
pi prime Psi psi Re rho S sharp Sigma sigma spadesuit tau Theta theta top triangle Upsilon upsilon
varepsilon varphi varpi varrho varsigma vartheta wp Xi xi zeta amalg approx ast asymp bigcap
bigcirc bigcup bigodot bigoplus bigotimes bigsqcup bigtriangledown bigtriangleup biguplus bigvee
bigwedge bowtie bullet cap cdot cdotp cdots circ colon cong coprod cup dagger dashv ddagger ddots
diamond div doteq dotsb dotsc dotsi dotsm dotso equiv frown ge geq gets gg hookleftarrow
hookrightarrow iiint iint in int land ldotp ldots le Leftarrow leftarrow leftharpoondown
leftharpoonup Leftrightarrow leftrightarrow leq ll Longleftarrow longleftarrow Longleftrightarrow
longleftrightarrow longmapsto Longrightarrow longrightarrow lor mapsto mid models mp ne nearrow
neq ni notin nwarrow odot oint ominus oplus oslash otimes owns parallel perp pm prec preceq prod
propto Rightarrow rightarrow rightharpoondown rightharpoonup rightleftharpoons searrow setminus
sim simeq smallint smile sqcap sqcup sqsubseteq sqsupseteq star subset subseteq succ succeq sum
supset supseteq surd swarrow times to triangleleft triangleright uplus vdash vdots vee wedge wr
approxeq backepsilon backprime backsim backsimeq barwedge Bbbk because beth between bigstar
blacklozenge blacksquare blacktriangle blacktriangledown blacktriangleleft blacktriangleright Box
boxdot boxminus boxplus boxtimes Bumpeq bumpeq Cap centerdot checkmark circeq circlearrowleft
circlearrowright circledast circledcirc circleddash circledR circledS complement Cup curlyeqprec
curlyeqsucc curlyvee curlywedge curvearrowleft curvearrowright daleth dashleftarrow dashrightarrow
diagdown diagup Diamond digamma divideontimes Doteq doteqdot dotplus doublebarwedge doublecap
doublecup downdownarrows downharpoonleft downharpoonright eqcirc eqsim eqslantgtr eqslantless eth
fallingdotseq Finv Game geqq geqslant ggg gggtr gimel gnapprox gneq gneqq gnsim gtrapprox gtrdot
gtreqless gtreqqless gtrless gtrsim gvertneqq hslash iiiint intercal Join leadsto leftarrowtail
leftleftarrows leftrightarrows leftrightharpoons leftrightsquigarrow leftthreetimes leqq leqslant
lessapprox lessdot lesseqgtr lesseqqgtr lessgtr lesssim lhd Lleftarrow lll llless lnapprox lneq
lneqq lnsim looparrowleft looparrowright lozenge Lsh ltimes lvertneqq maltese measuredangle mho
multimap ncong nexists ngeq ngeqq ngeqslant ngtr nLeftarrow nleftarrow nLeftrightarrow
nleftrightarrow nleq nleqq nleqslant nless nmid nparallel nprec npreceq nRightarrow nrightarrow
nshortmid nshortparallel nsim nsubseteq nsubseteqq nsucc nsucceq nsupseteq nsupseteqq
ntriangleleft ntrianglelefteq ntriangleright ntrianglerighteq nVDash nVdash nvDash nvdash
pitchfork precapprox preccurlyeq precnapprox precneqq precnsim precsim restriction rhd
rightarrowtail rightleftarrows rightrightarrows rightsquigarrow rightthreetimes risingdotseq
Rrightarrow Rsh rtimes shortmid shortparallel smallfrown smallsetminus smallsmile sphericalangle
sqsubset sqsupset square Subset subseteqq subsetneq subsetneqq succapprox succcurlyeq succnapprox
succneqq succnsim succsim Supset supseteqq supsetneq supsetneqq therefore thickapprox thicksim
triangledown trianglelefteq triangleq trianglerighteq twoheadleftarrow twoheadrightarrow unlhd
unrhd upharpoonleft upharpoonright upuparrows varDelta varGamma varkappa varLambda varnothing
varOmega varPhi varPi varpropto varPsi varSigma varsubsetneq varsubsetneqq varsupsetneq
varsupsetneqq varTheta vartriangle vartriangleleft vartriangleright varUpsilon varXi Vdash vDash
veebar Vvdash yen
"""
_ENVIRONMENT_NAMES = """
align aligned alignat alignedat array Bmatrix bmatrix cases eqnarray equation gather gathered
matrix multline pmatrix smallmatrix split Vmatrix vmatrix
"""
_COMMANDS = frozenset(_COMMAND_NAMES.split())
_ENVIRONMENTS = frozenset(_ENVIRONMENT_NAMES.split())
_SIGNS = frozenset(",:;!> |{}\\#%&_-/*'\"`^~=.\n")

_LENGTH = r"\d{0,2}(?:\.\d+)?(?:cm|em|ex|in|mm|pt|px)"
_CONTROL = re.compile(
    rf"""
      \\(?P<edge>begin|end)\{{(?P<environment>[A-Za-z]*\*?)\}}
    | \\hspace\*?\{{{_LENGTH}\}}
    | \\\\\[{_LENGTH}\]
    | \\(?P<command>[A-Za-z]+)
    | \\(?P<sign>[\s\S]|\Z)
    """,
    re.VERBOSE,
)
_TAG = re.compile(r"(?<!\\)\\tag(\*?)\{([\w .'-]*)\}")
_COMMENT = re.compile(r"(?<!\\)((?:\\\\)*)%")
_LABEL = re.compile(r"(?<!\\)\\label\{[^{}\\]*\}")
# A tag, a link or a definition, to a reader that knows no math; not so with a space.
_MARKUP = re.compile(r"<(?=[A-Za-z/!?])|\](?=[(\[:])")


def portable(tex: str, *, display: bool, one_line: bool) -> str | None:
    """`tex` in a form whose end every front end finds, or None if it is not to be typeset.

    Args:
        tex: the text between the delimiters.
        display: whether it is to stand between `$$`, else between `$`.
        one_line: whether it stands in a list or a quote, where line breaks would bring
            the markers of the lines into the formula.
    """
    tex = _LABEL.sub("", _TAG.sub(_number, tex)).strip()
    if one_line or not display:
        if "\n" in tex and "%" in tex:
            return None  # a comment would no longer end
        tex = " ".join(tex.split())
    if "\n" not in tex:
        tex = _COMMENT.sub(r"\1\%", tex)  # `95%`: nobody comments a formula of one line
    tex = "\n".join(line for line in tex.split("\n") if line.strip())
    tex = _MARKUP.sub(r"\g<0> ", tex)
    whole = tex and not _confuses_readers(tex, display=display) and _is_balanced(tex)
    return tex if whole and _is_harmless(tex) else None


def _number(match: re.Match[str]) -> str:
    r"""A `\tag` as text: MathJax would write an `id` for it."""
    return rf"\qquad \text{{{match[2]}}}" if match[1] else rf"\qquad \text{{({match[2]})}}"


def _confuses_readers(tex: str, *, display: bool) -> bool:
    """Whether a front end that looks for the end of the formula could miss it."""
    line_break = r"\\\\[()\]]" if display else r"\\\\[()\[\]]"
    return re.search(rf"[$`]|~~~|@@|\\\Z|{line_break}", tex) is not None


def _is_balanced(tex: str) -> bool:
    """Whether the braces are, as TeX counts them and as JupyterLab does.

    JupyterLab does not know that the second backslash of a line break escapes nothing.
    """
    for brace in (r"\\[\s\S]|([{}])", r"\\[{}$]|([{}])"):
        depth = 0
        for found in re.findall(brace, tex):
            depth += {"{": 1, "}": -1}.get(found, 0)
            if depth < 0:
                return False
        if depth:
            return False
    return True


def _is_harmless(tex: str) -> bool:
    """Whether all commands are known, and all environments known and closed in order."""
    environments: list[str] = []
    for control in _CONTROL.finditer(tex):
        if not _is_known(control):
            return False
        name = control["environment"]
        if control["edge"] == "begin":
            environments.append(name)
        elif control["edge"] == "end" and environments[-1:] == [name]:
            environments.pop()
        elif control["edge"] == "end":
            return False
    return not environments


def _is_known(control: re.Match[str]) -> bool:
    environment, command, sign = control["environment"], control["command"], control["sign"]
    return (
        (environment is None or environment.removesuffix("*") in _ENVIRONMENTS)
        and (command is None or command in _COMMANDS)
        and (sign is None or sign in _SIGNS)
    )
