"""Images that stand in a text as `data:` addresses, in markdown's `![…](data:…)`."""

from __future__ import annotations

import re

__all__ = ["DATA_IMAGE", "LONG_DATA", "is_data_image", "size_of", "without_data_images"]

#: What is shown as an image: of a kind that cannot hold a script, and not too large.
_ADDRESS = r"data:image/(?:png|jpe?g|gif|webp);base64,[A-Za-z0-9+/=]{1,2000000}+"

#: An image with such an address (`source`), or with another that is not shown.
DATA_IMAGE = re.compile(
    rf"""
    !\[(?P<text>[^\[\]\n]{{0,500}}+)\]
    \([ ]*+ <?+ (?:(?P<source>{_ADDRESS})(?=[>\s)]) | (?P<other>data:[^\s()<>]*+)) >?+
    (?:[ ]++ (?P<quote>["'])(?P<title>(?:(?!(?P=quote))[^\n]){{0,500}}+)(?P=quote))? [ ]*+ \)
    """,
    re.VERBOSE | re.IGNORECASE,
)
#: The rest of such an address in running text, behind `data`.
LONG_DATA = re.compile(r":(?P<kind>[\w/.+-]{0,60}+)(?:;[\w=.-]{1,60}+){0,5}+,[\w+/=%.~-]{100,}+")

_WHOLE = re.compile(_ADDRESS, re.IGNORECASE)


def is_data_image(address: str) -> bool:
    """Whether an image with this address is shown."""
    return _WHOLE.fullmatch(address) is not None


def size_of(address: str) -> str:
    """How large what an address holds is, in words."""
    size = len(address) * 3 // 4
    return f"{size // 1_000:,} kB" if size >= 1_000 else f"{size} bytes"


def without_data_images(text: str) -> str:
    """`text` with a note in the place of each image, for who gets it as text."""
    if "data:" not in text:
        return text
    return DATA_IMAGE.sub(
        lambda m: (
            f"(Here stood an image: {m['text'] or 'without a text'}, "
            f"{size_of(m['source'] or m['other'])}.)"
        ),
        text,
    )
