"""What goes along with a prompt: pictures, documents, texts, as the API's content parts.

https://platform.openai.com/docs/api-reference/chat/create (`messages`, user, content)
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from .errors import UsageError
from .messages import Content
from .pictures import picture
from .small_file import check_size, read_bytes

__all__ = ["attach", "attachment", "content_part", "file_part"]

_LARGEST = 20_000_000  # bytes; what providers take is around that
_ADDRESSES = ("https://", "http://", "data:image/")
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


def attachment(words: str, evaluate: Callable[[str], Any]) -> Mapping[str, Any]:
    """What `--attach` names: an expression of the notebook, or else a path or URL as it stands.

    Args:
        words: as they stand in the cell; its quotes are off already, so that a path looks
            like an expression.
        evaluate: gives an expression's value; raises UsageError.

    Raises:
        UsageError: they are neither, or their value cannot be attached.
    """
    is_file = os.path.lexists(os.path.expanduser(words))  # noqa: PTH111  # any text is asked
    try:
        value = words if words.startswith(_ADDRESSES) else evaluate(words)
    except UsageError as error:
        if not is_file:
            raise UsageError(f"{error}, and no such file") from error
        value = words
    try:
        return content_part(value)
    except UsageError as error:
        if is_file and value is not words:  # `answer.json` may be a method, too
            return attachment(words, lambda path: path)
        raise UsageError(f"--attach: {error}") from error


def content_part(value: Any) -> Mapping[str, Any]:
    """`value` as a content part.

    Args:
        value: a matplotlib figure, a PIL image, the bytes of an image, of a PDF or of
            UTF-8 text, the path of such a file, or the URL of an image.

    Raises:
        UsageError: it is none of these, cannot be read, or is too large.
    """
    if isinstance(value, str) and value.startswith(_ADDRESSES):
        return _image(value)
    if isinstance(value, (str, os.PathLike)):
        return file_part(read_bytes(value, _LARGEST), Path(value).name)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return file_part(bytes(value), "attachment")
    try:
        found = picture(value)
    except Exception as error:
        raise UsageError(f"{type(value).__name__} gave no picture: {error}") from error
    if found is None:
        raise UsageError(
            f"a {type(value).__name__} cannot be attached; give a path, bytes, a figure "
            "or an image (a DataFrame goes into the prompt as {{df}})"
        )
    return file_part(found[1], "figure")


def file_part(data: bytes, name: str) -> Mapping[str, Any]:
    """The content of a file as a content part: an image, a PDF, or UTF-8 text.

    Raises:
        UsageError: it is none of these, or too large.
    """
    check_size(len(data), name, _LARGEST)
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
            f"{name} is neither an image (PNG, JPEG, GIF, WebP) nor a PDF nor UTF-8 text"
        )
    return text
