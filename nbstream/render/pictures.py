"""Images that a model wrote into its text as `data:` addresses, and such addresses as text.

An image of a harmless kind is an image; of what else such addresses hold, a short line says
what it is, because nobody reads 300 kB of letters.
"""

from __future__ import annotations

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from ..data_images import DATA_IMAGE, LONG_DATA, size_of

__all__ = ["ends_in_data", "pictures_plugin"]

_LONGEST_HEAD = 200  # characters in which an address shows that it is one


def pictures_plugin(md: MarkdownIt) -> None:
    """Tokens `image` with a `data:` address as their source, which no other image has."""
    md.inline.ruler.before("link", "data_image", _image)
    md.inline.ruler.push("data_address", _address)


def ends_in_data(text: str) -> bool:
    """Whether `text` ends in a `data:` address that goes on."""
    start = max(text.rfind(" "), text.rfind("\n")) + 1
    head = text[start : start + _LONGEST_HEAD]
    return len(text) - start >= _LONGEST_HEAD and "data:" in head and "," in head


def _image(state: StateInline, silent: bool) -> bool:
    if not state.src.startswith("![", state.pos):
        return False
    found = DATA_IMAGE.match(state.src, state.pos, state.posMax)
    if found is None:
        return False
    if not silent:
        text = found["text"]
        if found["source"]:
            token = state.push("image", "img", 0)
            token.attrs = {"src": found["source"], "alt": ""}
            token.children = [Token("text", "", 0, content=text)]
            token.content = text
            if found["title"]:
                token.attrs["title"] = found["title"]
        else:
            about = f"{text}: " if text else ""
            state.pending += f"[{about}image of {size_of(found['other'])}, not shown]"
    state.pos = found.end()
    return True


def _address(state: StateInline, silent: bool) -> bool:
    """`data:…` in running text. The parser stops at the colon, so that much is behind."""
    if silent or state.pending[-4:].lower() != "data":
        return False
    found = LONG_DATA.match(state.src, state.pos, state.posMax)
    if found is None:
        return False
    state.pending += f":{found['kind']},… ({size_of(found[0])})"
    state.pos = found.end()
    return True
