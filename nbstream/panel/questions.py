"""A question as the panel shows it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..conversation import Turn
from ..messages import Content

__all__ = ["parts_of", "question_of", "text_of"]

_SENT_SHOWN = 20_000  # characters; the record keeps all of it
# What an <img> may get: data that the user attached, of kinds that run no script.
_PICTURE = re.compile("data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/]+={0,2}")


def question_of(turn: Turn) -> dict[str, Any]:
    """`typed`, `sent` where that is something else, and the `pictures` and `files` with it.

    `attached` are those that were attached, which go along when the question is edited: a
    picture by its place among `pictures`, a file by its name.
    """
    content = turn.response.prompt[-1].content if turn.response.prompt else ""
    sent = text_of(content)
    typed = turn.typed or sent
    parts = parts_of(content)
    return {
        "typed": typed,
        "sent": "" if sent == typed else sent[:_SENT_SHOWN],
        **parts,
        "files": [*parts["files"], *(_name(part) for part in turn.attached if _is_text(part))],
        "attached": [_attached(part, parts["pictures"]) for part in turn.attached],
    }


def _attached(part: Mapping[str, Any], pictures: list[str]) -> int | str:
    if _is_text(part):
        return _name(part)
    found = parts_of((part,))
    (picture,) = found["pictures"] or [""]
    if picture in pictures:
        return pictures.index(picture)
    return next(iter(found["files"]), "a file")


def _is_text(part: Mapping[str, Any]) -> bool:
    """Whether an attached file went into the text (see `file_part`)."""
    return part.get("type") == "text"


def _name(part: Mapping[str, Any]) -> str:
    return str(part["text"]).partition(":\n\n")[0][:200]


def text_of(content: Content) -> str:
    """All texts of a message."""
    if isinstance(content, tuple):
        return "\n\n".join(str(part["text"]) for part in content if part.get("type") == "text")
    return content or ""


def parts_of(content: Content) -> dict[str, list[str]]:
    """What a message has beside its text: `pictures` as data URLs, `files` by their names."""
    parts = content if isinstance(content, tuple) else ()
    addresses = list(_addresses(parts))
    names = [part["file"].get("filename", "a file") for part in parts if part.get("type") == "file"]
    return {
        "pictures": [address for address in addresses if _PICTURE.fullmatch(address)],
        "files": [*names, *(a[:200] for a in addresses if not _PICTURE.fullmatch(a))],
    }


def _addresses(parts: tuple[Mapping[str, Any], ...]) -> Iterator[str]:
    for part in parts:
        if part.get("type") == "image_url":
            yield str(part["image_url"].get("url", ""))
