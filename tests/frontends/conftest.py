"""A browser, for the front ends that are pages."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "tests/browser"))


@pytest.fixture(scope="module")
def browser():
    from chromium import launch
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=60_000)  # ms; several servers start beside each other
    with sync_playwright() as playwright:
        running = launch(playwright)
        yield running
        running.close()
