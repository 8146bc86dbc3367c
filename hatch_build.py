"""Writes the README that a package index shows: its links absolute, where there is an address.

In the checkout, and in the archive of sources, the README's links are relative. A package index
has no files beside it; so where `[project.urls]` names the repository, as `Source` (or
`Repository`, or `Homepage`), links and pictures are looked up there. Without such an entry they
stay as they are.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_LABELS = ("source", "repository", "homepage")
# `](docs/tools.md)` and `](docs/tools.md#part)`, but neither `](https://…)` nor `](#part)`.
_LINK = re.compile(
    r"(?P<picture>!?)(?P<text>\[[^\]]*\])\((?![a-z][a-z0-9+.-]*:|[#/])(?P<path>[^)\s]+)\)"
)


def absolute(readme: str, address: str) -> str:
    """`readme` with its relative links led to the repository at `address`."""

    def link(found: re.Match[str]) -> str:
        view = "raw" if found["picture"] else "blob"
        return f"{found['picture']}{found['text']}({address}/{view}/HEAD/{found['path']})"

    return _LINK.sub(link, readme)


def repository(urls: dict[str, str]) -> str | None:
    """The address of the repository, without what follows its name; None where there is none."""
    by_label = {re.sub(r"[\W_]", "", label).lower(): address for label, address in urls.items()}
    found = next((by_label[label] for label in _LABELS if label in by_label), None)
    return None if found is None else found.partition("#")[0].removesuffix("/").removesuffix(".git")


class CustomMetadataHook(MetadataHookInterface):
    """Gives the project its README."""

    def update(self, metadata: dict[str, Any]) -> None:
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        address = repository(metadata.get("urls", {}))
        readme = text if address is None else absolute(text, address)
        metadata["readme"] = {"content-type": "text/markdown", "text": readme}
