"""Measure, and write RESULTS.md and results.png: `make bench`.

    python benchmarks/run.py                 all of it, about 15 minutes on an idle machine
    python benchmarks/run.py --quick         a smoke run; prints, writes nothing
    python benchmarks/run.py --only wire     one part; prints, writes nothing

`--contender KEY` (more than one, if repeated) measures these alone.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import hostile_text
import page
import renderer
import report
import short
import whole_path
import wire
from results import Results

_FOLDER = Path(__file__).parent
_PARTS = ("whole_path", "short", "renderer", "hostile", "wire", "page")

T = TypeVar("T")


def main() -> int:
    options = _options()
    scenarios = whole_path.SCENARIOS
    if options.quick:
        scenarios = tuple(_shortened(scenario) for scenario in scenarios)
    started = time.monotonic()
    results = _measured(options, scenarios)
    print(f"{time.monotonic() - started:.0f} s in all\n")
    if options.quick or options.only or options.contender:
        print(report.page(results, scenarios))
    else:
        report.plot(results, scenarios, _FOLDER / "results.png")
        (_FOLDER / "RESULTS.md").write_text(report.page(results, scenarios, "results.png"))
        print(f"written: {_FOLDER / 'RESULTS.md'}")
    failed = [f for f in results.whole_path if f.failure and f.contender.is_ours]
    for figures in failed:
        print(f"{figures.contender.title}: {figures.failure}", file=sys.stderr)
    return 1 if failed else 0


def _measured(options: argparse.Namespace, scenarios: tuple[whole_path.Scenario, ...]) -> Results:
    results = Results()
    parts = [options.only] if options.only else _PARTS
    if "wire" in parts:
        results.wire = wire.measure(quick=options.quick)
    if "renderer" in parts:
        grown = renderer.measure(renderer.plan(quick=options.quick))
        results.renderer = list(_told(grown, lambda f: f"{f.tokens:,} tokens of {f.shape}"))
    if "hostile" in parts:
        dear = hostile_text.measure(list(hostile_text.HOSTILE)[: 3 if options.quick else None])
        results.hostile = list(_told(dear, lambda f: repr(f.name)))
    if "whole_path" in parts:
        measured = whole_path.measure(_chosen(options.contender), scenarios)
        results.whole_path = list(_told(measured, lambda f: f.contender.title))
    if "short" in parts:
        results.short = short.measure(quick=options.quick)
    if "page" in parts:
        results.page = list(_told(page.measure(quick=options.quick), lambda f: f.title))
    return results


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure nbstream beside its peers.")
    parser.add_argument("--quick", action="store_true", help="short answers, few sizes")
    parser.add_argument("--only", choices=_PARTS, help="one part")
    keys = [contender.key for contender in whole_path.CONTENDERS]
    parser.add_argument("--contender", action="append", choices=keys, help="only these")
    return parser.parse_args()


def _shortened(scenario: whole_path.Scenario) -> whole_path.Scenario:
    answer = replace(scenario.answer, tokens=scenario.answer.tokens // 10)
    title = f"{answer.tokens} tokens of: {scenario.title}"
    return replace(scenario, answer=answer, title=title, runs=1)


def _chosen(keys: list[str] | None) -> tuple[whole_path.Contender, ...]:
    return tuple(c for c in whole_path.CONTENDERS if not keys or c.key in keys)


def _told(figures: Iterable[T], name: Callable[[T], str]) -> Iterator[T]:
    """Say how far it is."""
    started = time.monotonic()
    for entry in figures:
        print(f"{time.monotonic() - started:6.1f} s  {name(entry)}", flush=True)
        yield entry


if __name__ == "__main__":
    sys.exit(main())
