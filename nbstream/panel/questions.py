"""A question as the panel shows it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..conversation import Turn
from ..messages import Content

__all__ = ["editable", "parts_of", "question_of", "text_of"]

Part = Mapping[str, Any]

_SENT_SHOWN = 20_000  # characters; the record keeps all of it
# What an <img> may get: data that the user attached, of kinds that run no script.
_PICTURE = re.compile("data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/]+={0,2}")


def question_of(turn: Turn) -> dict[str, Any]:
    """`typed`, `sent` where that is something else, and the `pictures` and `files` with it.

    `plain` is what is edited, where that is not what was typed. `attached` are the parts that
    go along then: a picture by its place among `pictures`, a file by its name.
    """
    content = _content(turn)
    text, attached = editable(turn)
    typed = text if turn.typed is None else turn.typed
    sent = text_of(content)
    parts = parts_of(content)
    return {
        "typed": typed,
        "plain": None if text == typed else text,
        "sent": "" if sent == typed else sent[:_SENT_SHOWN],
        **parts,
        "files": [*parts["files"], *(_name(part) for part in attached if _is_text(part))],
        "attached": [_attached(part, parts["pictures"]) for part in attached],
    }


def editable(turn: Turn) -> tuple[str, tuple[Part, ...]]:
    """The text that is edited, and the parts that go along with it.

    What the user did not type here is edited as it was sent: it may hold `{{ code }}` of
    whoever wrote it.
    """
    if turn.typed_here and turn.typed is not None:
        return turn.typed, turn.attached
    content = _content(turn)
    if not isinstance(content, tuple):
        return content or "", ()
    files = [part for part in turn.attached if _is_text(part)]
    attached = tuple(part for part in content if not _is_text(part) or part in files)
    return text_of(tuple(part for part in content if part not in attached)), attached


def _content(turn: Turn) -> Content:
    return turn.response.prompt[-1].content if turn.response.prompt else ""


def _attached(part: Part, pictures: list[str]) -> int | str:
    if _is_text(part):
        return _name(part)
    found = parts_of((part,))
    (picture,) = found["pictures"] or [""]
    if picture in pictures:
        return pictures.index(picture)
    return next(iter(found["files"]), "a file")


def _is_text(part: Part) -> bool:
    """Whether it is text, as an attached file can be (see `file_part`)."""
    return part.get("type") == "text"


def _name(part: Part) -> str:
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


def _addresses(parts: tuple[Part, ...]) -> Iterator[str]:
    for part in parts:
        if part.get("type") == "image_url":
            picture = part["image_url"]
            yield picture if isinstance(picture, str) else str(picture.get("url", ""))
