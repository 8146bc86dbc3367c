"""HTML in one form, for comparing what different markdown renderers make of one text."""

from __future__ import annotations

import re
from urllib.parse import unquote

from bs4 import BeautifulSoup, Tag

from nbstream.render.tex import portable

__all__ = ["normal_html"]

_BLOCK_TAG = r"</?(?:blockquote|details|h\d|hr|li|line|ol|p|pre|summary|table|td|th|tr|ul)\b[^>]*>"
_ALIGNMENT = {"nbs-l": "left", "nbs-c": "center", "nbs-r": "right"}


def normal_html(html: str) -> str:
    """`html` without what no reader sees and what each renderer has in its own way.

    Left out: whitespace between and at the edges of blocks, line breaks at the edges of
    code, classes, ids and styles, `div`, `span`, `thead`, `tbody`, the `code` inside
    `pre`, empty paragraphs, nbconvert's anchors beside headings, and the link of a bare
    address (front ends make their own). The same under one name: `del` and `s`, the ways
    to align a cell, escaped and plain characters in addresses, a checkbox inside and
    outside of its paragraph, the ways to delimit math, a displayed formula as a block and
    as a paragraph, the mark of a footnote before and inside of its first paragraph.
    """
    soup = BeautifulSoup(html, "html.parser")
    for anchor in soup.select("a.anchor-link"):
        anchor.decompose()
    for math in soup.select(".nbs-math"):
        _as_saved(math)
    for note in soup.select(".nbs-note"):
        _mark_inside(soup, note)
    for deleted in soup("del"):
        deleted.name = "s"
    for box in soup("input"):
        item = box.find_parent("li") or box
        item["title"] = "checked" if box.has_attr("checked") else "unchecked"
    for tag in soup(True):
        tag.attrs = _attributes(tag)
    for wrapper in soup.select("div, span, thead, tbody, pre code, input"):
        wrapper.unwrap()
    for paragraph in soup.select("li > p"):
        paragraph.name = "line"
    for link in soup("a"):
        href, text = link["href"], unquote(link.get_text())
        if href.removeprefix("mailto:") == text or href.removeprefix("http://") == text:
            link.unwrap()
    return _without_spaces(str(soup))


def _as_saved(math: Tag) -> None:
    """Math between dollar signs; as code, where a front end is not to typeset it."""
    source = math.get_text()
    display = source.startswith(("$$", "\\["))
    width = 2 if source.startswith(("$$", "\\")) else 1
    block = math.name == "div"
    tex = portable(source[width:-width], display=display, one_line=not block)
    if tex is None:
        math.string = source[width:-width]
        math.name = "pre" if block else "code"
    else:
        math.string = f"$${tex}$$" if display else f"${tex}$"
        math.name = "p" if block else "span"


def _mark_inside(soup: BeautifulSoup, note: Tag) -> None:
    mark = note.sup.extract()
    first = note.find(True, recursive=False)
    if first is None or first.name != "p":
        first = soup.new_tag("p")
        note.insert(0, first)
    first.insert(0, " ")
    first.insert(0, mark)


def _attributes(tag: Tag) -> dict[str, str]:
    kept = {name: unquote(tag[name]) for name in ("href", "src") if tag.has_attr(name)}
    kept |= {name: tag[name] for name in ("title", "alt") if tag.has_attr(name)}
    if tag.name == "ol" and tag.get("start", "1") != "1":
        kept["start"] = tag["start"]
    if tag.name in ("td", "th"):
        style = re.search(r"text-align: *(\w+)", tag.get("style", ""))
        aligned = style[1] if style else tag.get("align")
        kept["align"] = aligned or _ALIGNMENT.get(" ".join(tag.get("class", [])), "")
    return kept


def _without_spaces(html: str) -> str:
    pieces = re.split(r"(<pre>.*?</pre>)", html, flags=re.DOTALL)
    for index, piece in enumerate(pieces):
        if index % 2:
            pieces[index] = "\n<pre>" + piece[5:-6].lstrip("\n").rstrip() + "</pre>\n"
            continue
        text = re.sub(r"\s+", " ", piece)
        text = re.sub(r" ?\$\$ ?", r"\n$$\n", text)
        text = re.sub(r" ?(<br/>) ?", r"\1", text)
        pieces[index] = re.sub(rf" ?({_BLOCK_TAG}) ?", r"\n\1\n", text).strip(" ")
    joined = re.sub(r"\n[ \n]*", "\n", "".join(pieces))
    joined = re.sub(r"<(p|line)>\n(\$\$\n[^\n]*\n\$\$)\n</\1>", r"\2", joined)
    joined = re.sub(r"\n?</?line>", "", joined)
    return joined.replace("<p>\n</p>\n", "").strip()
