"""A browser, for the front ends that are pages."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "tests/browser"))


@pytest.fixture(scope="module")
def browser():
    from chromium import FLAGS, find
    from playwright.sync_api import expect, sync_playwright

    path = find()
    if path is None:
        message = "no Chromium: install one, or run `make test`, which does"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)
    expect.set_options(timeout=60_000)  # ms; several servers start beside each other
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield running
        running.close()
