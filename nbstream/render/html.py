"""Markdown to safe HTML: one parser, one renderer, one sanitizer.

The parser never passes HTML through and knows which links are allowed; the sanitizer is a
second wall behind it. No whitespace stands between block-level tags, so that every
top-level block is exactly one element.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, MutableMapping, Sequence
from functools import cache, lru_cache
from typing import Any

import nh3
from markdown_it import MarkdownIt
from markdown_it.common import normalize_url
from markdown_it.common.utils import escapeHtml, unescapeAll
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markdown_it.utils import OptionsDict

from ..data_images import is_data_image
from .addresses import addresses_plugin
from .backslashes import backslashes_plugin
from .block_rules import block_rules_plugin
from .by_sign import BlockParser
from .definitions import definitions_plugin, unused_definitions
from .direction import direction_plugin
from .emphasis import EmphasisParser
from .entities import entities_plugin
from .footnotes import footnotes_plugin
from .highlight import COLOURED, Colouring
from .inline_html import HARMLESS_TAGS, inline_html_plugin
from .line_breaks import line_breaks_plugin
from .link_hosts import link_hosts_plugin
from .links import is_safe_link, links_plugin
from .math import math_plugin, typesettable
from .pictures import pictures_plugin
from .safe_text import clean, is_known_language
from .style import DEFAULT_STYLE, RenderStyle

__all__ = [
    "code_language",
    "code_title",
    "make_parser",
    "parse_blocks",
    "parse_inside",
    "parser",
    "render",
    "sanitize",
]

_LANGUAGE = re.compile(r"\s*\{?\.?([^\s:,{}]+)")
_PATH_SIGN = re.compile(r"[/.]")
_WORD = re.compile(r"\w")
_NOT_A_CLASS = re.compile(r"[^\w+#.-]")
_ALIGNMENT = {"text-align:left": "nbs-l", "text-align:center": "nbs-c", "text-align:right": "nbs-r"}
_UP_TO_BLOCKS = ("normalize", "block", "direction")  # rules that look at more than one block
_KEPT = 300  # characters of an address that is asked about with each frame
_OF_A_LIST = frozenset({"dir", "start"})
_WITH_DIRECTION = "blockquote h1 h2 h3 h4 h5 h6 ol p ul"
_MATH_CLOSING = {"$": "$", "$$": "$$", "\\(": "\\)", "\\[": "\\]"}


class _Parser(MarkdownIt):
    def parse(self, src: str, env: MutableMapping[str, Any] | None = None) -> list[Token]:
        env = {} if env is None else env
        tokens = super().parse(src, env)
        used = env.get("used_labels", ())
        return tokens + unused_definitions(self, env.get("definitions", ()), used, env)

    def normalizeLink(self, url: str) -> str:  # noqa: N802 - the parser's own name
        return _normalized(url) if len(url) <= _KEPT else super().normalizeLink(url)

    def validateLink(self, url: str) -> bool:  # noqa: N802 - the parser's own name
        return is_safe_link(url)

    def normalizeLinkText(self, link: str) -> str:  # noqa: N802 - the parser's own name
        """An address as it is written. The parser's own would show what a punycode host or
        `%E2%80%AE` stands for, which may look like another address."""
        return link


@lru_cache(maxsize=256)
def _normalized(url: str) -> str:
    return normalize_url.normalizeLink(url)


def make_parser() -> MarkdownIt:
    """A parser: CommonMark without HTML, GFM's extensions, footnotes and math.

    `env["style"]` of a parse is its `RenderStyle`, the default one if it is not there.
    """
    options = {"html": False, "xhtmlOut": False, "maxNesting": 120, "tasklists": True}
    md = _Parser("commonmark", options, renderer_cls=_Renderer)
    md.block, md.inline = BlockParser(), EmphasisParser()
    md.configure("commonmark", options)
    md.enable(["table", "strikethrough"])
    md.disable(["html_block", "html_inline"])
    md.use(block_rules_plugin)
    md.use(math_plugin).use(footnotes_plugin).use(addresses_plugin).use(links_plugin)
    md.use(link_hosts_plugin).use(inline_html_plugin).use(backslashes_plugin)
    md.use(pictures_plugin).use(entities_plugin)
    return md.use(line_breaks_plugin).use(direction_plugin).use(definitions_plugin)


@cache
def parser() -> MarkdownIt:
    """The one parser that everything shares; it keeps no state between parses."""
    return make_parser()


def parse_blocks(text: str, env: dict[str, Any]) -> list[Token]:
    """The block tokens of `text`; what is inside them is still to be parsed."""
    return _run(_rules(inside=False), StateCore(text, parser(), env))


def parse_inside(tokens: list[Token], env: dict[str, Any]) -> list[Token]:
    """`tokens` with what is inside those that are blocks' texts."""
    return _run(_rules(inside=True), StateCore("", parser(), env, tokens))


def _run(rules: Iterable[Callable[[StateCore], None]], state: StateCore) -> list[Token]:
    for rule in rules:
        rule(state)
    return state.tokens


@cache
def _rules(*, inside: bool) -> list[Callable[[StateCore], None]]:
    ruler = parser().core.ruler
    named = zip(ruler.get_active_rules(), ruler.getRules(""), strict=True)
    return [rule for name, rule in named if (name not in _UP_TO_BLOCKS) is inside]


def render(markdown: str, style: RenderStyle = DEFAULT_STYLE) -> str:
    """The whole of `markdown` as safe HTML.

    Args:
        markdown: the text, from whatever source.
        style: how the text looks.
    """
    env = {"style": style, "highlight": True}
    html: str = parser().render(clean(markdown), env)
    return sanitize(html)


def code_language(token: Token) -> str:
    """The language of a code block's token, such as `python`, or "".

    Models write more behind it: `python:src/app.py`, `python,linenos`, `{python}`, `{.python}`.
    """
    word = _LANGUAGE.match(unescapeAll(token.info))
    return word[1] if word else ""


def code_title(token: Token) -> str:
    """What a fence says beside a language, such as the name of a file, or ""."""
    info = " ".join(unescapeAll(token.info).split())
    word = _LANGUAGE.match(info)
    title = info[word.end() :].strip(" :,") if word else info
    if info.startswith("{"):
        title = title.removesuffix("}")
    if word and not is_known_language(word[1]) and (title or _PATH_SIGN.search(word[1])):
        title = info
    if not _WORD.search(title):
        return ""
    return clean(title) if "&" in token.info else title  # an entity may hide something


class _Renderer(RendererHTML):
    """HTML without whitespace between blocks, and without attributes from the model.

    Methods without an underscore are the rules for the token types that they name.
    """

    def renderToken(  # noqa: N802 - the parser's own name
        self, tokens: Sequence[Token], idx: int, _options: OptionsDict, _env: Any
    ) -> str:
        token = tokens[idx]
        if token.hidden:
            return ""
        closing = "/" if token.nesting == -1 else ""
        return f"<{closing}{token.tag}{self.renderAttrs(token)}>"

    def fence(self, tokens: Sequence[Token], idx: int, _options: OptionsDict, env: Any) -> str:
        language = _NOT_A_CLASS.sub("", code_language(tokens[idx]))
        attribute = f' class="language-{language}"' if language else ""
        code = tokens[idx].content
        if env.get("highlight"):
            colouring = Colouring(code, code_language(tokens[idx]))
            colouring.advance()
            html = colouring.html
        else:
            html = escapeHtml(code)
        title = code_title(tokens[idx])
        before = f"<p>{escapeHtml(title)}</p>" if title else ""
        code = f"<pre><code{attribute}>{html}</code></pre>"
        return f'<div class="nbs-code highlight">{before}{code}</div>'

    def code_block(self, tokens: Sequence[Token], idx: int, *context: Any) -> str:
        return self.fence(tokens, idx, *context)

    def table_open(self, tokens: Sequence[Token], idx: int, *_context: Any) -> str:
        return f'<div class="nbs-table"{self.renderAttrs(tokens[idx])}><table>'

    def table_close(self, *_context: Any) -> str:
        return "</table></div>"

    def bullet_list_open(self, tokens: Sequence[Token], idx: int, *_context: Any) -> str:
        # Whether a list has tasks shows late; its class is left to `li.task-list-item`.
        token = tokens[idx]
        attributes = (f' {name}="{token.attrs[name]}"' for name in _OF_A_LIST & token.attrs.keys())
        return f"<{token.tag}{''.join(sorted(attributes))}>"

    ordered_list_open = bullet_list_open

    def th_open(self, tokens: Sequence[Token], idx: int, *_context: Any) -> str:
        token = tokens[idx]
        alignment = _ALIGNMENT.get(str(token.attrs.get("style")))
        return f'<{token.tag} class="{alignment}">' if alignment else f"<{token.tag}>"

    td_open = th_open

    def link_open(self, tokens: Sequence[Token], idx: int, *_context: Any) -> str:
        attributes = self.renderAttrs(tokens[idx])
        if not str(tokens[idx].attrs["href"]).startswith("#"):
            attributes += ' target="_blank" rel="noopener noreferrer"'
        return f"<a{attributes}>"

    def math_block(self, tokens: Sequence[Token], idx: int, *_context: Any) -> str:
        token = tokens[idx]
        tex = _formula(token)
        if tex is None:
            code = escapeHtml(token.content.strip("\n"))
            return f'<div class="nbs-code highlight"><pre>{code}</pre></div>'
        return f'<div class="nbs-math">{tex}</div>'

    def math_inline(self, tokens: Sequence[Token], idx: int, *_context: Any) -> str:
        token = tokens[idx]
        tex = _formula(token)
        if tex is None:
            return f"<code>{escapeHtml(' '.join(token.content.split()))}</code>"
        return f'<span class="nbs-math">{tex}</span>'

    math_inline_block = math_inline

    def footnote_ref(self, tokens: Sequence[Token], idx: int, *_context: Any) -> str:
        return f'<sup class="nbs-ref">{escapeHtml(tokens[idx].content)}</sup>'

    def footnote_open(self, tokens: Sequence[Token], idx: int, *_context: Any) -> str:
        label = escapeHtml(tokens[idx].meta["label"])
        return f'<div class="nbs-note"><sup>{label}</sup>'


def _formula(token: Token) -> str | None:
    """A formula as HTML text, delimiters included, or None where it is not to be typeset.

    The typesetter writes into the page what the formula asks for, after our sanitizer.
    """
    tex = typesettable(token, one_line=token.type != "math_block")
    return None if tex is None else escapeHtml(token.markup + tex + _MATH_CLOSING[token.markup])


@cache
def _cleaner(*, data: bool = False) -> nh3.Cleaner:
    """The sanitizer; one that knows `data:` images asks us about each attribute, so it is slow."""
    tags = "a blockquote br code div em h1 h2 h3 h4 h5 h6 hr img input li ol p pre s span strong"
    return nh3.Cleaner(
        tags={*f"{tags} table tbody td th thead tr ul".split(), *HARMLESS_TAGS},
        attributes={
            "a": {"href", "title"},
            "code": {"class"},
            "img": {"src", "alt", "title"},
            "input": {"checked", "disabled"},
            "ol": {"start"},
        },
        tag_attribute_values={
            **{tag: {"dir": {"rtl"}} for tag in _WITH_DIRECTION.split()},
            "a": {"target": {"_blank"}, "rel": {"noopener noreferrer"}},
            "div": {
                "class": {"nbs-code highlight", "nbs-math", "nbs-note", "nbs-table"},
                "dir": {"rtl"},
            },
            "input": {"type": {"checkbox"}, "class": {"task-list-item-checkbox"}},
            "li": {"class": {"task-list-item"}},
            "span": {"class": {"nbs-math", *COLOURED}},
            "sup": {"class": {"nbs-ref"}},
            "td": {"class": set(_ALIGNMENT.values())},
            "th": {"class": set(_ALIGNMENT.values())},
        },
        url_schemes={"http", "https", "mailto", *(["data"] if data else [])},
        attribute_filter=_without_other_data if data else None,
        link_rel=None,
    )


def _without_other_data(tag: str, name: str, value: str) -> str | None:
    is_data = name in ("href", "src") and value.strip().lower().startswith("data:")
    return None if is_data and not (tag == "img" and is_data_image(value)) else value


def sanitize(html: str, *, rows: bool = False) -> str:
    """`html` with nothing in it that our renderer does not write.

    Args:
        html: complete elements.
        rows: `html` is rows of a table, which do not stand alone.
    """
    if not html:
        return ""
    cleaner = _cleaner(data='src="data:' in html)
    if not rows:
        return cleaner.clean(html)
    before, after = "<table><tbody>", "</tbody></table>"
    return cleaner.clean(before + html + after)[len(before) : -len(after)]
