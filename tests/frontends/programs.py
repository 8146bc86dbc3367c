"""The programs of the environment that runs the tests."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

__all__ = ["program"]


def program(name: str) -> str:
    """The path of a program; without it the test is skipped."""
    path = Path(sys.executable).parent / name
    if not path.exists():
        pytest.skip(f"{name} is not installed")
    return str(path)
