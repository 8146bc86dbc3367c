"""HTML in one form, for comparing what different markdown renderers make of one text."""

from __future__ import annotations

import re
from urllib.parse import unquote

from bs4 import BeautifulSoup, Tag

__all__ = ["normal_html"]

_BLOCK = r"</?(?:blockquote|details|h\d|hr|li|line|ol|p|pre|summary|table|td|th|tr|ul)\b[^>]*>"
_ALIGNMENT = {"nbs-l": "left", "nbs-c": "center", "nbs-r": "right"}


def normal_html(html: str) -> str:
    """`html` without what no reader sees and what each renderer has in its own way.

    Left out: whitespace between and at the edges of blocks and of code, classes, ids and
    styles, `div`, `span`, `thead`, `tbody`, the `code` inside `pre`, empty paragraphs,
    empty cells at the end of a row, nbconvert's anchors beside headings, the paragraphs of
    list items (how far apart they stand), the link of a bare address (front ends make their
    own), and one that leads nowhere.

    The same under one name: `del` and `s`, the ways to align a cell, escaped and plain
    characters in addresses, a checkbox inside and outside of its paragraph, the ways to
    delimit math and to write its bars, a displayed formula as a block and in a paragraph,
    the mark of a footnote before and inside of its first paragraph.
    """
    soup = BeautifulSoup(html, "html.parser")
    _rename(soup)
    for tag in soup(True):
        tag.attrs = _attributes(tag)
    _unwrap(soup)
    return _on_lines(str(soup))


def _rename(soup: BeautifulSoup) -> None:
    for note in soup.select(".nbs-note"):
        _put_mark_inside(soup, note)
    for math in soup.select(".nbs-math"):
        math.string = _between_dollars(math.get_text())
        math.name = "p" if math.name == "div" else "span"
    for deleted in soup("del"):
        deleted.name = "s"
    for box in soup("input"):
        item = box.find_parent("li") or box
        item["title"] = "checked" if box.has_attr("checked") else "unchecked"
    for paragraph in soup.select("li > p, li > .nbs-code > p"):
        paragraph.name = "line"


def _put_mark_inside(soup: BeautifulSoup, note: Tag) -> None:
    mark = note.sup.extract()
    first = note.find(True, recursive=False)
    if first is None or first.name != "p":
        first = soup.new_tag("p")
        note.insert(0, first)
    first.insert(0, " ")
    first.insert(0, mark)
    note.unwrap()


def _between_dollars(math: str) -> str:
    width = 1 if math.startswith("$") and not math.startswith("$$") else 2
    sign = "$$" if math.startswith(("$$", "\\[")) else "$"
    return sign + math[width:-width].strip() + sign


def _attributes(tag: Tag) -> dict[str, str]:
    kept = {name: unquote(tag[name]) for name in ("href", "src") if tag.has_attr(name)}
    kept |= {name: tag[name] for name in ("title", "alt") if tag.has_attr(name)}
    if tag.name == "ol" and tag.get("start", "1") != "1":
        kept["start"] = tag["start"]
    if tag.name in ("td", "th"):
        style = re.search(r"text-align: *(\w+)", tag.get("style", ""))
        aligned = style[1] if style else tag.get("align")
        kept["align"] = aligned or _ALIGNMENT.get(" ".join(tag.get("class", [])), "")
    if tag.name == "a" and "anchor-link" in tag.get("class", []):
        kept["title"] = "anchor"
    return kept


def _unwrap(soup: BeautifulSoup) -> None:
    for anchor in soup.select('a[title="anchor"]'):
        anchor.decompose()
    for row in soup("tr"):
        _drop_empty_cells(row)
    for wrapper in soup.select("div, span, thead, tbody, pre code, input"):
        wrapper.unwrap()
    for link in soup("a"):
        href, text = link["href"], unquote(link.get_text()).strip()
        if text in (href.removeprefix("mailto:"), href.removeprefix("http://"), href) or not href:
            link.unwrap()


def _drop_empty_cells(row: Tag) -> None:
    """Leave out what only fills up the row."""
    for cell in reversed(row.find_all(True, recursive=False)):
        if cell.contents:
            return
        cell.decompose()


def _on_lines(html: str) -> str:
    """Every tag of a block, every code block and every `$$` on a line of its own."""
    pieces = re.split(r"(<pre>.*?</pre>)", html, flags=re.DOTALL)
    for index, piece in enumerate(pieces):
        if index % 2:
            pieces[index] = "\n<pre>" + piece[5:-6].lstrip("\n").rstrip() + "</pre>\n"
            continue
        text = re.sub(r"\s+", " ", re.sub(r"\\vert(?![A-Za-z]) ?", "|", piece))
        text = re.sub(r" ?(<br/>) ?", r"\1", text)
        text = re.sub(r" ?\$\$ ?", r"\n$$\n", text)
        pieces[index] = re.sub(rf" ?({_BLOCK}) ?", r"\n\1\n", text).strip(" ")
    lines = re.sub(r"\n[ \n]*", "\n", "".join(pieces))
    lines = re.sub(r"<(p|line)>\n(\$\$\n[^\n]*\n\$\$)\n</\1>", r"\2", lines)
    lines = re.sub(r"\n?</?line>", "", lines)
    return lines.replace("<p>\n</p>\n", "").strip()
