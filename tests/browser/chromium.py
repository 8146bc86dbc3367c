"""Finds the Chromium that the browser tests drive; as a script, gets one where there is none."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Playwright

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")


def find() -> str | None:
    """The path of the Chromium on the PATH, else of Playwright's own, else None."""
    for name in NAMES:
        if path := shutil.which(name):
            return path
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


def launch(playwright: Playwright) -> Browser:
    """Start it. Where there is none, browser tests are skipped; in CI they fail."""
    import pytest

    path = find()
    if path is None:
        message = "no Chromium: install one, or run `make test`, which does"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)
    return playwright.chromium.launch(executable_path=path, args=FLAGS)


def install() -> None:
    """Get one: Debian's package where we may install it, else Playwright's download."""
    if shutil.which("apt-get") and os.geteuid() == 0:
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["update"], ["install", "-y", "--no-install-recommends", "chromium"]):
            subprocess.run(["apt-get", "-q", *command], env=environment, check=False)
    if find() is None:
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=False)


def main() -> int:
    if find() is None:
        install()
    path = find()
    print(path or "no Chromium: install one, browser tests need it", flush=True)
    return 0 if path else 1


if __name__ == "__main__":
    sys.exit(main())
