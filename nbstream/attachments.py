"""What goes along with a prompt: pictures, documents, texts, as the API's content parts.

https://platform.openai.com/docs/api-reference/chat/create (`messages`, user, content)
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .errors import UsageError
from .messages import Content
from .pictures import picture

__all__ = ["attach", "content_part"]

_LARGEST = 20_000_000  # bytes; what providers take is around that
_SIGNATURES = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
    b"%PDF-": "application/pdf",
}


def attach(prompt: Content, parts: Sequence[Mapping[str, Any]]) -> Content:
    """`prompt` with `parts` after it."""
    if not parts:
        return prompt
    text = ({"type": "text", "text": prompt},) if isinstance(prompt, str) else prompt or ()
    return (*text, *parts)


def content_part(value: Any) -> Mapping[str, Any]:
    """`value` as a content part.

    Args:
        value: a matplotlib figure, a PIL image, the bytes of an image, of a PDF or of
            UTF-8 text, the path of such a file, or the URL of an image.

    Raises:
        UsageError: it is none of these, cannot be read, or is too large.
    """
    if isinstance(value, str) and value.startswith(("https://", "http://", "data:image/")):
        return _image(value)
    if isinstance(value, (str, os.PathLike)):
        path = Path(value).expanduser()
        return _part(_read(path), path.name)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _part(bytes(value), "attachment")
    try:
        found = picture(value)
    except Exception as error:
        raise UsageError(f"--attach: {type(value).__name__} gave no picture: {error}") from error
    if found is None:
        raise UsageError(
            f"--attach: a {type(value).__name__} cannot be attached; give a path, bytes, a figure "
            "or an image (a DataFrame goes into the prompt as {{df}})"
        )
    return _part(found[1], "figure")


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > _LARGEST:
            raise _too_large(path.name)
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"--attach: {path} cannot be read: {error.strerror}") from error


def _part(data: bytes, name: str) -> Mapping[str, Any]:
    if len(data) > _LARGEST:
        raise _too_large(name)
    kind = _kind(data)
    if kind is None:
        return {"type": "text", "text": f"{name}:\n\n{_text(data, name)}"}
    url = f"data:{kind};base64,{base64.b64encode(data).decode()}"
    if kind == "application/pdf":
        return {"type": "file", "file": {"filename": name, "file_data": url}}
    return _image(url)


def _image(url: str) -> Mapping[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


def _kind(data: bytes) -> str | None:
    """The media type that the first bytes tell, whatever the file is called."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for start, kind in _SIGNATURES.items() if data.startswith(start)), None)


def _text(data: bytes, name: str) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise UsageError(
            f"--attach: {name} is neither an image (PNG, JPEG, GIF, WebP) nor a PDF nor UTF-8 text"
        )
    return text


def _too_large(name: str) -> UsageError:
    return UsageError(
        f"--attach: {name} is larger than {_LARGEST // 1_000_000} MB: make it smaller"
    )
