"""The names of TeX that every reader draws; written by scripts/tex_names.cjs, not by hand."""

__all__ = ["COMMANDS"]

#: Names without the backslash, known to MathJax 3 as JupyterLab loads it, to MathJax 2 as
#: nbconvert does, and to KaTeX.
_NAMES = """
And Bbb Bbbk Big Bigg Biggl Biggm Biggr Bigl Bigm Bigr Box Bumpeq Cap Cup Delta Diamond Doteq
Downarrow Finv Game Gamma Huge Im Join LARGE Lambda Large Leftarrow Leftrightarrow Lleftarrow
Longleftarrow Longleftrightarrow Longrightarrow Lsh Omega Phi Pi Pr Psi Re Rightarrow Rrightarrow
Rsh S Sigma Subset Supset Theta Uparrow Updownarrow Upsilon Vdash Vert Vvdash Xi acute aleph alpha
amalg angle approx approxeq arccos arcsin arctan arg ast asymp atop backepsilon backprime backsim
backsimeq backslash bar barwedge bcancel because beta beth between bf big bigcap bigcirc bigcup
bigg biggl biggm biggr bigl bigm bigodot bigoplus bigotimes bigr bigsqcup bigstar bigtriangledown
bigtriangleup biguplus bigvee bigwedge binom blacklozenge blacksquare blacktriangle
blacktriangledown blacktriangleleft blacktriangleright bmod boldsymbol bot bowtie boxdot boxed
boxminus boxplus boxtimes brace brack breve bullet bumpeq cal cancel cap cdot cdotp cdots ce
centerdot cfrac check checkmark chi choose circ circeq circlearrowleft circlearrowright circledR
circledS circledast circledcirc circleddash clubsuit colon complement cong coprod cos cosh cot coth
csc cup curlyeqprec curlyeqsucc curlyvee curlywedge curvearrowleft curvearrowright dagger daleth
dashleftarrow dashrightarrow dashv dbinom ddagger ddddot dddot ddot ddots deg delta det dfrac
diagdown diagup diamond diamondsuit digamma dim displaystyle div divideontimes dot doteq doteqdot
dotplus dots dotsb dotsc dotsi dotsm dotso doublebarwedge doublecap doublecup downarrow
downdownarrows downharpoonleft downharpoonright ell emptyset enspace epsilon eqcirc eqsim
eqslantgtr eqslantless equiv eta eth exists exp fallingdotseq fbox flat forall frac frak frown
gamma gcd ge geq geqq geqslant gets gg ggg gggtr gimel gnapprox gneq gneqq gnsim grave gt gtrapprox
gtrdot gtreqless gtreqqless gtrless gtrsim gvertneqq hat hbar hdashline heartsuit hline hom
hookleftarrow hookrightarrow hphantom hslash huge iff iiint iint imath impliedby implies in inf
infty injlim int intercal iota it jmath kappa ker lVert lambda land langle large lbrace lbrack
lceil ldotp ldots le leadsto left leftarrow leftarrowtail leftharpoondown leftharpoonup
leftleftarrows leftrightarrow leftrightarrows leftrightharpoons leftrightsquigarrow leftthreetimes
leq leqq leqslant lessapprox lessdot lesseqgtr lesseqqgtr lessgtr lesssim lfloor lg lgroup lhd lim
liminf limits limsup ll llcorner lll llless lmoustache ln lnapprox lneq lneqq lnot lnsim log
longleftarrow longleftrightarrow longmapsto longrightarrow looparrowleft looparrowright lor lozenge
lrcorner lt ltimes lvert lvertneqq maltese mapsto mathbb mathbf mathbin mathcal mathclose mathfrak
mathinner mathit mathop mathopen mathord mathpunct mathrel mathring mathrm mathscr mathsf mathstrut
mathtt max mbox measuredangle mho mid middle min mod models mp mu multimap nLeftarrow
nLeftrightarrow nRightarrow nVDash nVdash nabla natural ncong ne nearrow neg negmedspace
negthickspace negthinspace neq nexists ngeq ngeqq ngeqslant ngtr ni nleftarrow nleftrightarrow nleq
nleqq nleqslant nless nmid nobreakspace nolimits nonumber normalsize not notag notin nparallel
nprec npreceq nrightarrow nshortmid nshortparallel nsim nsubseteq nsubseteqq nsucc nsucceq
nsupseteq nsupseteqq ntriangleleft ntrianglelefteq ntriangleright ntrianglerighteq nu nvDash nvdash
nwarrow odot oint omega omicron ominus operatorname oplus oslash otimes over overbrace
overleftarrow overleftrightarrow overline overrightarrow overset owns parallel partial perp phantom
phi pi pitchfork pm pmod pod prec precapprox preccurlyeq preceq precnapprox precneqq precnsim
precsim prime prod projlim propto psi pu qquad quad rVert rangle rbrace rbrack rceil restriction
rfloor rgroup rhd rho right rightarrow rightarrowtail rightharpoondown rightharpoonup
rightleftarrows rightleftharpoons rightrightarrows rightsquigarrow rightthreetimes risingdotseq rm
rmoustache rtimes rvert scriptscriptstyle scriptsize scriptstyle searrow sec setminus sf sharp
shortmid shortparallel sigma sim simeq sin sinh small smallfrown smallint smallsetminus smallsmile
smash smile space spadesuit sphericalangle sqcap sqcup sqrt sqsubset sqsubseteq sqsupset sqsupseteq
square stackrel star subset subseteq subseteqq subsetneq subsetneqq substack succ succapprox
succcurlyeq succeq succnapprox succneqq succnsim succsim sum sup supset supseteq supseteqq
supsetneq supsetneqq surd swarrow tan tanh tau tbinom text textbf textit textrm textsf textstyle
texttt tfrac therefore theta thickapprox thicksim thinspace tilde times tiny to top triangle
triangledown triangleleft trianglelefteq triangleq triangleright trianglerighteq tt
twoheadleftarrow twoheadrightarrow ulcorner underbrace underleftarrow underleftrightarrow underline
underrightarrow underset unlhd unrhd uparrow updownarrow upharpoonleft upharpoonright uplus upsilon
upuparrows urcorner vDash varDelta varGamma varLambda varOmega varPhi varPi varPsi varSigma
varTheta varUpsilon varXi varepsilon varinjlim varkappa varliminf varlimsup varnothing varphi varpi
varprojlim varpropto varrho varsigma varsubsetneq varsubsetneqq varsupsetneq varsupsetneqq vartheta
vartriangle vartriangleleft vartriangleright vcenter vdash vdots vec vee veebar vert vphantom wedge
widehat widetilde wp wr xcancel xi xleftarrow xrightarrow yen zeta
"""
COMMANDS = frozenset(_NAMES.split())
