"""Formulas in a real JupyterLab: drawn without a fault, and none takes the page down."""

from __future__ import annotations

import time

from playwright.sync_api import expect
from replay import completion

LOAD = "%load_ext nbstream\n%config ChatMagics.model = 'replay-1'"
TEXT = r"""
Prices: the cost ($) and the price ($) differ, $5 to $10, US$ 5 – US$ 10.

Of $1 - q$, $ x $, \\(y\\) and $0, 1, 2$: $\ket{\psi}$, $a \coloneqq b$, $\color{red}{x} + y$,
$\text{a_b & c#d}$, $x \text{ if $y$ is}$, $\begin{dcases} \frac12 & x \\ 0 \end{dcases}$.

\begin{align}
a &= b \\
c &= \frac{d}{e} \xRightarrow{f} g
\end{align}

\\[ \braket{a|b} = \bm{v} \\]

A regular expression: \d+\(x\).

END
"""
WORST = "\n\n".join(
    [
        "$" + r"\frac{1}{" * 75 + "x" + "}" * 75 + "$",
        "$" + r"\sqrt{" * 120 + "x" + "}" * 120 + "$",
        "$$\n" + "x_1+" * 5_000 + "1\n$$",
        # As deep as may be, in the page's deepest places.
        *["- > $$" + r"\frac{\left(" * 14 + "x" + r"\right)}{y}" * 14 + "$$"] * 5,
        "END",
    ]
)
DRAWN = "mjx-container"


def test_formulas_are_drawn_live_and_saved(open_notebook, replay):
    replay.reply(completion(TEXT, piece=40))
    replay.reply(completion(TEXT, piece=40))
    notebook = open_notebook([LOAD, "%%chat --view display\nFormulas", "%%chat\nFormulas"])
    notebook.run(0)
    for number in (1, 2):
        notebook.run(number)
        expect(notebook.output(number)).to_contain_text("END")
        expect(notebook.output(number).locator(DRAWN)).to_have_count(12)
        expect(notebook.output(number).locator("mjx-merror")).to_have_count(0)
    notebook.screenshot("formulas")
    notebook.save()
    notebook.reopen()
    expect(notebook.output(2)).to_contain_text("\\d+\\(x\\).")
    expect(notebook.output(2).locator(DRAWN)).to_have_count(12)
    expect(notebook.output(2).locator("mjx-merror")).to_have_count(0)
    expect(notebook.output(2)).to_contain_text("the cost ($) and the price ($) differ")


def test_the_worst_formulas_leave_the_page_alive(open_notebook, replay):
    replay.reply(completion(WORST, piece=400))
    notebook = open_notebook([LOAD, "%%chat\nThe worst"])
    notebook.run(0)
    notebook.run(1)
    output = notebook.output(1)
    expect(output).to_contain_text("END")
    expect(output.locator(DRAWN)).to_have_count(5)
    notebook.screenshot("worst-formulas")
    notebook.save()
    notebook.reopen()
    began = time.monotonic()
    expect(notebook.output(1).locator(DRAWN)).to_have_count(5)
    print(f"drawn {time.monotonic() - began:.1f} s after the notebook opened")
