"""What goes along with a prompt: files, bytes, URLs, pictures, figures."""

from __future__ import annotations

import base64
import io
import json
import os
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from PIL import Image
from replay import completion

from nbstream import Response
from nbstream.attachments import attach, attachment, content_part
from nbstream.chat import Chat
from nbstream.errors import UsageError
from nbstream.interpolate import interpolate
from nbstream.magics.commands import Commands
from nbstream.session import Sessions


def encoded(kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (3, 2), "red").save(buffer, kind)
    return buffer.getvalue()


PNG, JPEG, GIF, WEBP = (encoded(kind) for kind in ("PNG", "JPEG", "GIF", "WEBP"))
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n"
IMAGES = {"image/png": PNG, "image/jpeg": JPEG, "image/gif": GIF, "image/webp": WEBP}


def data_of(part: Any) -> tuple[str, bytes]:
    """The media type and the bytes of a part that holds a data URL."""
    url = part["file"]["file_data"] if part["type"] == "file" else part["image_url"]["url"]
    head, _, data = url.partition(";base64,")
    return head.removeprefix("data:"), base64.b64decode(data, validate=True)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A folder with files, which is the home and the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "red.png").write_bytes(PNG)
    (tmp_path / "misnamed.txt").write_bytes(JPEG)
    (tmp_path / "paper.pdf").write_bytes(PDF)
    (tmp_path / "notes.csv").write_text("città,n\nRoma,1\n", encoding="utf-8")
    return tmp_path


# -- one part --------------------------------------------------------------------


@pytest.mark.parametrize("kind", IMAGES)
@pytest.mark.parametrize("as_type", [bytes, bytearray, memoryview])
def test_the_bytes_of_an_image(kind, as_type):
    part = content_part(as_type(IMAGES[kind]))
    assert part["type"] == "image_url"
    assert data_of(part) == (kind, IMAGES[kind])


def test_a_pdf(home):
    part = content_part(PDF)
    assert part["type"] == "file"
    assert data_of(part) == ("application/pdf", PDF)
    assert part["file"]["filename"] == "attachment"
    assert content_part("paper.pdf")["file"]["filename"] == "paper.pdf"


@pytest.mark.parametrize("path", ["red.png", Path("red.png"), "~/red.png", Path("~/red.png")])
def test_the_path_of_an_image(home, path):
    assert data_of(content_part(path)) == ("image/png", PNG)


def test_an_absolute_path(home):
    assert data_of(content_part(str(home / "red.png"))) == ("image/png", PNG)


def test_the_content_says_what_a_file_is_and_not_its_name(home):
    assert data_of(content_part("misnamed.txt")) == ("image/jpeg", JPEG)


def test_a_text_goes_in_with_its_name(home):
    assert content_part("notes.csv") == {
        "type": "text",
        "text": "notes.csv:\n\ncittà,n\nRoma,1\n",
    }
    assert content_part("naïve".encode())["text"] == "attachment:\n\nnaïve"


@pytest.mark.parametrize(
    "url",
    ["https://example.org/a.png", "http://example.org/a?b", "data:image/png;base64,iVBORw0KGgo="],
)
def test_an_url_goes_in_as_it_is(url):
    assert content_part(url) == {"type": "image_url", "image_url": {"url": url}}


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "1", "P"])
def test_a_pil_image(mode):
    kind, data = data_of(content_part(Image.new(mode, (3, 2))))
    assert kind == "image/png"
    assert Image.open(io.BytesIO(data)).size == (3, 2)


def test_a_matplotlib_figure():
    figure = Figure()
    figure.subplots().plot([1, 2])
    kind, data = data_of(content_part(figure))
    assert kind == "image/png"
    assert Image.open(io.BytesIO(data)).width > 100


def test_the_axes_that_pandas_draws_in_stand_for_their_figure():
    axes = pd.DataFrame({"a": [1, 2]}).plot()
    content = interpolate("See {{ axes }}", {"axes": axes})
    assert [part["type"] for part in content] == ["text", "image_url"]
    assert not plt.fignum_exists(axes.figure.number)


def test_a_figure_of_pyplot_is_not_shown_once_more():
    figure = plt.figure()
    assert content_part(figure)
    assert not plt.fignum_exists(figure.number)


class BrokenPicture:
    def _repr_png_(self) -> bytes:
        raise RuntimeError("no canvas")


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (b"\x00\xff\x10" * 9, "attachment is neither an image"),
        (b"plain\0text", "attachment is neither an image"),
        (b"\x89PN", "attachment is neither an image"),
        (bytes(20_000_001), "attachment is larger than 20 MB"),
        ("missing.png", "missing.png cannot be read: No such file"),
        ("~", "cannot be read: it is not a file"),
        ("a\0b", "cannot be read"),
        (pd.DataFrame({"a": [1]}), "a DataFrame cannot be attached; .* as {{df}}"),
        (3, "a int cannot be attached; give a path"),
        (None, "a NoneType cannot be attached"),
        (BrokenPicture(), "BrokenPicture gave no picture: no canvas"),
    ],
)
def test_what_cannot_go_along_is_said_in_one_line(home, value, says):
    with pytest.raises(UsageError, match=says) as caught:
        content_part(value)
    assert "\n" not in str(caught.value)


def test_a_large_file_is_not_even_read(home):
    with (home / "large.png").open("wb") as file:
        file.truncate(20_000_001)
    with pytest.raises(UsageError, match=r"^large\.png is larger than 20 MB"):
        content_part("large.png")


@pytest.mark.skipif(
    os.name == "nt" or getattr(os, "geteuid", lambda: 1)() == 0, reason="root reads every file"
)
def test_a_file_that_may_not_be_read(home):
    (home / "red.png").chmod(0)
    with pytest.raises(UsageError, match=r"red\.png cannot be read: Permission denied"):
        content_part("red.png")


def test_a_pipe_is_not_waited_for(home):
    if not hasattr(os, "mkfifo"):
        pytest.skip("no named pipes on this system")
    os.mkfifo(home / "pipe")
    with pytest.raises(UsageError, match="pipe cannot be read: it is not a file"):
        content_part("pipe")


# -- what --attach names ---------------------------------------------------------


def evaluate_in(**names: Any):
    def evaluate(expression: str) -> Any:
        try:
            return eval(expression, names)
        except Exception as error:
            raise UsageError(f"--attach {expression}: {type(error).__name__}: {error}") from error

    return evaluate


@pytest.mark.parametrize(
    "words", ["red.png", "~/red.png", "./red.png", "picture", "folder / 'red.png'", "'red.png'"]
)
def test_an_expression_or_else_a_path(home, words):
    names = {"picture": PNG, "folder": Path(), "red": "a name that is no file"}
    assert data_of(attachment(words, evaluate_in(**names))) == ("image/png", PNG)


def test_a_name_of_the_notebook_goes_before_a_file(home):
    (home / "fig").write_bytes(JPEG)
    assert data_of(attachment("fig", evaluate_in(fig=PNG))) == ("image/png", PNG)
    assert data_of(attachment("fig", evaluate_in())) == ("image/jpeg", JPEG)


def test_a_file_goes_before_what_cannot_be_attached(home):
    (home / "answer.json").write_text("[1]")
    answer = Response()
    assert "[1]" in attachment("answer.json", evaluate_in(answer=answer))["text"]
    with pytest.raises(UsageError, match="a method cannot be attached"):
        attachment("answer.to_dict", evaluate_in(answer=answer))


def test_an_url_needs_no_quotes():
    url = "https://example.org/a.png"
    assert attachment(url, evaluate_in())["image_url"]["url"] == url


def test_neither_an_expression_nor_a_file(home):
    with pytest.raises(UsageError, match=r"^--attach gone\.png: NameError: .*, and no such file"):
        attachment("gone.png", evaluate_in())


# -- prompts with parts ----------------------------------------------------------

PART = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}


def test_parts_go_after_the_prompt():
    text = {"type": "text", "text": "What is it?"}
    assert attach("What is it?", []) == "What is it?"
    assert attach("What is it?", [PART, PART]) == (text, PART, PART)
    assert attach((PART, text), [PART]) == (PART, text, PART)


@pytest.fixture
def figure() -> Figure:
    figure = Figure(figsize=(2, 1))
    figure.subplots().plot([1, 2])
    return figure


def kinds(content: Any) -> list[str]:
    return [part.get("text", part["type"]) for part in content]


def test_figures_and_images_stand_where_they_are_named(figure):
    image = Image.open(io.BytesIO(PNG))
    content = interpolate(
        "Compare {{ figure }} with {{image}} ({{ image.size }}), then {{ figure }}",
        {"figure": figure, "image": image},
    )
    assert kinds(content) == [
        "Compare ",
        "image_url",
        " with ",
        "image_url",
        " ((3, 2)), then ",
        "image_url",
    ]
    assert content[1] == content[5] != content[3]


def test_a_prompt_of_pictures_alone(figure):
    assert kinds(interpolate("{{ figure }}\n{{ figure }}\n", {"figure": figure})) == [
        "image_url",
        "image_url",
    ]


def test_a_picture_with_two_braces_beside_it(figure):
    content = interpolate(r"\{{ {{ figure }} {single} }}", {"figure": figure})
    assert kinds(content) == ["{{ ", "image_url", " {single} }}"]


def test_a_figure_that_fails_says_so(monkeypatch, figure):
    def fail(*_: object, **__: object) -> None:
        raise ValueError("no canvas")

    monkeypatch.setattr(Figure, "savefig", fail)
    with pytest.raises(UsageError, match=r"{{ figure }}: Figure gave no picture: no canvas"):
        interpolate("{{ figure }}", {"figure": figure})


# -- the conversation ------------------------------------------------------------


def test_pictures_stay_in_the_conversation_and_in_the_record(replay, figure):
    replay.reply(completion("A line."), completion("Upwards."))
    chat = Chat("replay-1", base_url=replay.base_url, view="none")
    prompt = attach(interpolate("See {{ figure }}", {"figure": figure}), [content_part(PDF)])
    response = chat.send(prompt)
    chat.send("Which way?")
    first, second = (request.json["messages"] for request in replay.requests)
    assert kinds(first[0]["content"]) == ["See ", "image_url", "file"]
    assert second[0] == first[0]
    assert second[2] == {"role": "user", "content": "Which way?"}
    restored = Response.from_dict(json.loads(json.dumps(response.to_dict())))
    assert restored == response
    assert restored.messages[0].content == prompt


class Host:
    """What the commands need of a notebook, to show a history."""

    def __init__(self) -> None:
        self.sessions = Sessions()

    def session(self, name: str) -> Any:
        return self.sessions[name]


def test_the_history_names_pictures_and_documents(replay, capsys):
    replay.reply(completion("Red."))
    host = Host()
    chat = Chat("replay-1", base_url=replay.base_url, view="none")
    chat.session = host.session("default")
    chat.send(attach("What colour?", [content_part(PNG), content_part(PDF)]))
    Commands(host).history()
    printed = capsys.readouterr().out
    assert printed == "[user]\nWhat colour? [picture] [attachment]\n\n[assistant]\nRed.\n\n"
