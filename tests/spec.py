"""The CommonMark examples and GFM fixtures of markdown-it-py's source distribution.

They are not part of this project: run as a script, this fetches them once into `.build`.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / ".build" / "markdown-it-py"
SOURCE = "markdown-it-py==4.3.0"
SHA256 = "91a58fa5b72c71a40cf7177250fd767480d7a2bb3ac426ccfb76fb90305fdaaa"
EXAMPLES = "tests/test_cmark_spec/commonmark.json"
FIXTURES = (
    "commonmark_extras",
    "fatal",
    "normalize",
    "strikethrough",
    "tables",
    "tasklists",
    "xss",
)


def commonmark() -> list[str]:
    """The markdown of the 652 examples of the CommonMark specification."""
    examples = json.loads((FOLDER / Path(EXAMPLES).name).read_text(encoding="utf-8"))
    return [example["markdown"] for example in examples]


def fixtures() -> list[str]:
    """The markdown of markdown-it-py's own cases, GFM's extensions among them."""
    found: list[str] = []
    for name in FIXTURES:
        text = (FOLDER / f"{name}.md").read_text(encoding="utf-8")
        # A case is a title, and then markdown and HTML, each closed by a line with a dot.
        found += re.split(r"^\.\n", text, flags=re.MULTILINE)[1::3]
    return found


def fetch() -> None:
    """Get them from the package index that pip is set up for; nothing is executed of it."""
    if (FOLDER / Path(EXAMPLES).name).exists():
        return
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--no-binary", "markdown-it-py", "--dest", folder, SOURCE]
        subprocess.run(command, check=True)
        (archive,) = Path(folder).glob("*.tar.gz")
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        if digest != SHA256:
            raise SystemExit(f"{archive.name} is not what it was: its SHA-256 is {digest}")
        _extract(archive)


def _extract(archive: Path) -> None:
    wanted = [EXAMPLES, *(f"tests/test_port/fixtures/{name}.md" for name in FIXTURES)]
    unfinished = FOLDER.with_suffix(".part")
    unfinished.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive) as files:
        for name in wanted:
            member = files.extractfile(f"{archive.name.removesuffix('.tar.gz')}/{name}")
            assert member
            (unfinished / Path(name).name).write_bytes(member.read())
    unfinished.rename(FOLDER)


if __name__ == "__main__":
    fetch()
