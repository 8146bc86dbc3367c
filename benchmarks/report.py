"""Results as a page of markdown tables and a plot."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import hostile_text
import renderer
import whole_path
import wire
from page import Figures as PageFigures
from results import Results, Summary, goals, machine, summaries
from short import Figures as ShortFigures

__all__ = ["page", "plot"]

Row = Sequence[str]


def page(results: Results, scenarios: tuple[whole_path.Scenario, ...], picture: str = "") -> str:
    """RESULTS.md. `picture` is the name of the plot's file, if there is one."""
    parts = ["# Benchmarks\n", "Ratios carry over to other machines; seconds do not.\n"]
    if results.whole_path:
        parts += _whole_path(results.whole_path, scenarios)
    if picture:
        parts.append(f"![the figures as a picture]({picture})\n")
    parts += _goals(results, scenarios)
    if results.short:
        parts += _short(results.short)
    if results.renderer:
        parts += _renderer(results.renderer)
    if results.hostile:
        parts += _hostile(results.hostile)
    if results.wire:
        parts += _wire(results.wire)
    if results.page:
        parts += _in_the_page(results.page)
    if results.whole_path:
        parts += _spread(results.whole_path, scenarios)
    parts += ["## Machine\n", *(f"{line}\n" for line in machine())]
    return "\n".join(parts)


def _table(head: Row, rows: Iterable[Row]) -> str:
    """The first column is text, the others are numbers."""
    rule = ["---", *("---:" for _ in head[1:])]
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, rule, *rows))


def _number(value: float) -> str:
    """Three figures, without exponents."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _ratio(value: float, base: Summary | None) -> str:
    return f"{_number(value / base.cpu)} ×" if base else "–"


# -- the whole path ----------------------------------------------------------------------


def _whole_path(
    figures: list[whole_path.Figures], scenarios: tuple[whole_path.Scenario, ...]
) -> list[str]:
    parts = []
    for scenario in scenarios:
        parts += [f"## {scenario.title}\n", _contenders(summaries(figures, scenario))]
    parts.append(
        "The same scripted server and a real kernel for each. CPU is the kernel process's, user "
        "and system. Bytes are the content of all iopub messages, JSON and buffers, over the "
        "answer's characters; a widget's own code, which a page has once, is not in them. "
        "Medians; [the spread](#spread) is below.\n"
    )
    parts += [f"{f.contender.title}: not measured ({f.failure}).\n" for f in figures if f.failure]
    return parts


def _contenders(by_key: dict[str, Summary]) -> str:
    bare, printing = by_key.get("bare"), by_key.get("print")
    head = ("", "CPU", "× bare loop", "× print loop", "bytes a character", "messages", "seconds")
    return _table(head, (_contender(s, bare, printing) for s in by_key.values()))


def _contender(entry: Summary, bare: Summary | None, printing: Summary | None) -> Row:
    title = entry.contender.title
    return (
        f"**{title}**" if entry.contender.is_ours else title,
        f"{entry.cpu:,.0f} µs/token",
        _ratio(entry.cpu, bare),
        _ratio(entry.cpu, printing),
        _number(entry.bytes) if entry.contender.shows else "–",
        f"{entry.messages:,}",
        f"{entry.wall:.1f}",
    )


def _spread(
    figures: list[whole_path.Figures], scenarios: tuple[whole_path.Scenario, ...]
) -> list[str]:
    head = ("", "runs", "CPU, µs/token", "bytes: live", "saved", "its code", "busiest second")
    parts = ["## Spread\n"]
    for scenario in scenarios:
        by_key = summaries(figures, scenario)
        rows = [
            (
                entry.contender.title,
                str(entry.runs),
                _range(*entry.cpu_range) if entry.runs > 1 else "",
                _number(entry.live),
                _number(entry.saved),
                f"{entry.program:,}",
                f"{entry.busiest_second:,}",
            )
            for entry in by_key.values()
        ]
        parts += [f"{scenario.title}:\n", _table(head, rows)]
    parts.append(
        "Live bytes are seen by the page only, saved ones stand in the notebook; both over the "
        "answer's characters. The code is in bytes, and the busiest second in messages.\n"
    )
    own = [f"{f.contender.title}: {_versions(f)}" for f in figures if f.contender.packages]
    return [*parts, *([f"Environments of their own: {'; '.join(own)}.\n"] if own else [])]


def _range(least: float, most: float) -> str:
    return f"{least:,.0f} to {most:,.0f}"


def _versions(figures: whole_path.Figures) -> str:
    found = ", ".join(f"{name} {version}" for name, version in figures.versions.items())
    return found or "not there"


_GOALS_NOTE = (
    "The goals in µs and in shares of the time were set on a machine of its own speed; those "
    "× the print loop are the same goals, by what that loop took there.\n"
)


def _goals(results: Results, scenarios: tuple[whole_path.Scenario, ...]) -> list[str]:
    found = goals(results, scenarios)
    if not found:
        return []
    rows = [
        (
            goal.text,
            f"{_number(goal.value)} {goal.unit}",
            f"{goal.limit:.3g}",
            "met" if goal.is_met else "**missed**",
        )
        for goal in found
    ]
    head = ("nbstream's widget", "measured", "goal: at most", "")
    return ["## Goals\n", _table(head, rows), _GOALS_NOTE]


# -- the parts ---------------------------------------------------------------------------


def _short(figures: list[ShortFigures]) -> list[str]:
    head = ("", "cell", "from", "to", "set-up", "first cell")
    rows = [
        (
            f"**{entry.title}**" if entry.is_ours else entry.title,
            *(f"{s * 1e3:.0f} ms" for s in (entry.cell, min(entry.cells), max(entry.cells))),
            f"{entry.load:.2f} s",
            f"{entry.first:.2f} s",
        )
        for entry in figures
    ]
    text = (
        "20 tokens at 1,000 a second, in kernels that take turns; medians. The first cell stands "
        "right behind `%load_ext` in a new kernel; that of the SDK is counted with its import.\n"
    )
    return ["## Short answers\n", _table(head, rows), text]


def _renderer(figures: list[renderer.Figures]) -> list[str]:
    head = ("", "tokens", "CPU", "full parses", "parsed again", "slowest frame", "last frame")
    rows = [
        (
            entry.shape if entry.shape == renderer.PROSE else f"one {entry.shape}",
            f"{entry.tokens:,}",
            f"{_number(entry.per_token)} µs/token",
            _number(entry.full_parses),
            f"{entry.parsed_again:.1f} ×",
            f"{entry.worst * 1e3:.1f} ms",
            f"{entry.last * 1e3:.1f} ms",
        )
        for entry in figures
    ]
    text = (
        "The text grows by seven tokens a frame: 200 tokens a second at 30 frames. Full parses: "
        "all frames together over rendering the whole text once. Parsed again: how often each "
        "character was given to the parser.\n"
    )
    return ["## The renderer alone\n", _table(head, rows), text]


def _hostile(figures: list[hostile_text.Figures]) -> list[str]:
    sizes = [f"{size:,}" for size in hostile_text.SIZES]
    head = ("", *(f"live, {size}" for size in sizes), "growth", "saved", "as data", "slowest frame")
    rows = [
        (
            _quoted(entry.name),
            *(_number(hostile_text.per_character(entry.live, at)) for at in range(len(sizes))),
            f"{hostile_text.growth(entry.live):.1f} ×",
            _number(hostile_text.per_character(entry.saved)),
            _number(hostile_text.per_character(entry.extracted)),
            f"{entry.worst * 1e3:.0f} ms",
        )
        for entry in figures
    ]
    text = (
        "One piece over and over, in µs a character of CPU; live, it grows by "
        f"{hostile_text.FRAME} characters a frame. Saved, and as data (code, tables or formulas): "
        f"at {sizes[-1]} characters. The slowest frame is of those that end nothing.\n"
    )
    return ["## Hostile text\n", _table(head, rows), text]


def _quoted(name: str) -> str:
    """The name of a text in a cell; what it holds is for no renderer."""
    return "".join(c if c.isalnum() or c == " " else f"&#{ord(c)};" for c in repr(name))


def _wire(figures: list[wire.Figures]) -> list[str]:
    head = (
        "µs an event",
        "events",
        "`json.loads`",
        "nbstream",
        "the SDK's parser",
        "+ accumulator",
    )
    rows = [
        (
            entry.title,
            f"{entry.events:,}",
            *(_number(value) for value in (entry.json, entry.ours, entry.parser, entry.sdk)),
        )
        for entry in figures
    ]
    failed = [f for f in figures if f.failed]
    notes = [
        f"The SDK's parts raised on {entry.failed} of the {entry.streams} streams {entry.title}; "
        "these are in no column.\n"
        for entry in failed
    ]
    text = "From the bytes of an event to the response, one event at a time.\n"
    return ["## The wire alone\n", _table(head, rows), text, *notes]


def _in_the_page(figures: list[PageFigures]) -> list[str]:
    head = ("", "busy", "CPU", "longest task", "tasks over 50 ms", "late", "the swap's longest")
    rows = [
        (
            f"**{entry.title}**" if entry.is_ours else entry.title,
            f"{entry.busy:.0%}",
            f"{entry.cpu:.0%}",
            f"{entry.longest:.0f} ms" if entry.tasks else "< 50 ms",
            str(len(entry.tasks)),
            f"{entry.late:.1f} s",
            f"{max(entry.swap):.0f} ms" if entry.swap else "–",
        )
        for entry in figures
        if not entry.failure
    ]
    text = (
        f"JupyterLab in Chromium, {figures[0].tokens:,} tokens at 200 a second. Busy: the share of "
        "the time in which the page's main thread runs a task, by the clock and in CPU time. Late: "
        "how long after the stream the cell ends. The swap: Jupyter renders the saved answer.\n"
    )
    failed = [f"{f.title}: not measured ({f.failure}).\n" for f in figures if f.failure]
    return ["## In the page\n", _table(head, rows), text, *failed]


# -- the plot ----------------------------------------------------------------------------

_OURS, _THEIRS = "#1b6ca8", "#b9bfc6"
_SHAPES = ("#e08214", "#5aae61", "#9970ab", "#c2a5a0", "#6b7280")


def plot(results: Results, scenarios: tuple[whole_path.Scenario, ...], path: Path) -> None:
    """Draw CPU and bytes of all contenders, and the renderer's cost over the size."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 3, figsize=(14, 4.2), layout="constrained")
    by_scenario = [summaries(results.whole_path, scenario) for scenario in scenarios]
    _bars(axes[0], [{k: s.cpu for k, s in by_key.items()} for by_key in by_scenario])
    axes[0].set_title("CPU of the kernel, µs a token")
    _bars(axes[1], [{k: s.bytes for k, s in by_key.items()} for by_key in by_scenario])
    axes[1].set_title("bytes to the page, a character")
    _curves(axes[2], results.renderer)
    axes[2].set_title("the renderer alone, µs a token")
    shades = zip(("full", "pale"), scenarios, strict=False)
    figure.supxlabel("; ".join(f"{shade}: {s.title}" for shade, s in shades), fontsize=9)
    figure.savefig(path, dpi=90)
    plt.close(figure)


def _bars(axes, values: list[dict[str, float]]) -> None:
    """One group of bars a contender, on a logarithmic scale; zero is no bar."""
    keys = [c.key for c in whole_path.CONTENDERS if any(v.get(c.key) for v in values)]
    names = {c.key: c.title.replace("`", "") for c in whole_path.CONTENDERS}
    ours = {c.key for c in whole_path.CONTENDERS if c.is_ours}
    height = 0.8 / len(values)
    for i, by_key in enumerate(values):
        places = [row + (i - (len(values) - 1) / 2) * height for row in range(len(keys))]
        widths = [by_key.get(key, 0) for key in keys]
        colours = [_OURS if key in ours else _THEIRS for key in keys]
        bars = axes.barh(places, widths, height * 0.9, color=colours, alpha=1 if i == 0 else 0.55)
        axes.bar_label(bars, [_number(w) if w else "" for w in widths], padding=2, fontsize=7)
    axes.set_yticks(range(len(keys)), [names[key] for key in keys], fontsize=8)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.margins(x=0.15)
    axes.spines[["top", "right"]].set_visible(False)


def _curves(axes, figures: list[renderer.Figures]) -> None:
    colours = iter(_SHAPES)
    for shape in dict.fromkeys(entry.shape for entry in figures):
        points = [entry for entry in figures if entry.shape == shape]
        prose = shape == renderer.PROSE
        axes.plot(
            [entry.tokens for entry in points],
            [entry.per_token for entry in points],
            marker="o",
            color=_OURS if prose else next(colours),
            linewidth=2.5 if prose else 1,
            label=shape if prose else f"one {shape}",
        )
    axes.set_xscale("log", base=2)
    sizes = sorted({entry.tokens for entry in figures})
    axes.set_xticks(sizes, [f"{size // 1000}k" for size in sizes])
    axes.set_ylim(bottom=0)
    axes.set_xlabel("tokens of the answer", fontsize=8)
    axes.legend(fontsize=8, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
