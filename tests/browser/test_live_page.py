"""The page's side of the live view: frames that are lost, late or out of turn, and two views.

The frames are those that a real kernel sent; only their delivery is the test's.
"""

from __future__ import annotations

import base64
import random
from pathlib import Path

import pytest
from kernels import kernel
from playwright.sync_api import TimeoutError as NotShown
from playwright.sync_api import expect

from nbstream.views.static import module, stylesheet

TESTS = Path(__file__).parents[1]

# A model as anywidget hands it over, and a page whose document is all the module's.
PAGE = """async ({ source, snapshot }) => {
  const bytes = (text) => new DataView(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const widget = (await import(url)).default();
  const handlers = {};
  const state = { snapshot: bytes(snapshot) };
  window.sent = [];
  const signal = () => {
    const slots = new Set();
    return {
      connect: (slot) => slots.add(slot),
      disconnect: (slot) => slots.delete(slot),
      emit: (...args) => { for (const slot of slots) slot(kernel, ...args); },
    };
  };
  window.kernel = { status: "idle", statusChanged: signal(), disposed: signal() };
  const model = {
    get: (name) => state[name],
    on: (name, callback) => { handlers[name] = callback; },
    off: () => {},
    send: (message) => sent.push(message),
    widget_manager: { kernel },
  };
  widget.initialize({ model });
  window.view = () => {
    const el = document.body.appendChild(document.createElement("div"));
    widget.render({ model, el });
  };
  window.deliver = (messages) => {
    for (const { custom, snapshot } of messages) {
      if (custom) handlers["msg:custom"](custom);
      else { state.snapshot = bytes(snapshot); handlers["change:snapshot"](); }
    }
  };
  window.html = (number) => {
    const copy = document.querySelectorAll(".nbs-answer")[number].cloneNode(true);
    copy.querySelector(".nbs-status-text")?.remove();
    copy.querySelector(".nbs-pulse")?.classList.remove("nbs-dim"); // it comes and goes
    return copy.innerHTML;
  };
}"""


@pytest.fixture(scope="module")
def messages():
    found = sent("answers.rich()")
    assert sum("snapshot" in message for message in found) >= 5
    assert sum("custom" in message for message in found) > 100
    return found


def sent(steps):
    """What the kernel sends for one answer: the first snapshot, then frames and snapshots."""
    with kernel(JPY_SESSION_NAME="x") as nb:
        result = nb.run(
            f"import sys; sys.path.insert(0, {str(TESTS)!r})\n"
            "import answers\n"
            "from nbstream.response import Response\n"
            "from nbstream.views.choose import choose_view\n"
            "response, view = Response(), choose_view('widget', owns_cell=True)\n"
            "view.open(response)\n"
            f"for _ in answers.grow(response, {steps}): view.update(response)\n"
            "view.close(answers.finish(response))"
        )
    assert not result.error
    found = []
    for message in result.messages:
        data = message["content"].get("data", {})
        if data.get("method") == "custom":
            found.append({"custom": data["content"]})
        elif message["buffers"]:
            found.append({"snapshot": base64.b64encode(message["buffers"][0]).decode()})
    return found


@pytest.fixture
def page(browser):
    page = browser.new_page()
    seen = []
    page.on("pageerror", lambda error: seen.append(str(error)))
    page.on("request", lambda request: seen.append(request.url))
    yield page
    assert not [what for what in seen if not what.startswith("blob:")]
    page.close()


def begin(page, messages, at=0):
    """A page in which the model is made when `at` of the messages are past."""
    known = [message for message in messages[: at + 1] if "snapshot" in message]
    page.goto("about:blank")
    page.evaluate(PAGE, {"source": module("widget"), "snapshot": known[-1]["snapshot"]})
    return messages[at + 1 :]


def deliver(page, messages):
    page.evaluate("deliver", messages)


def shows(page, html, number=0):
    """Wait until view `number` shows exactly this."""
    try:
        page.wait_for_function(
            "([number, html]) => window.html(number) === html", arg=[number, html]
        )
    except NotShown:
        assert page.evaluate("html", number) == html


@pytest.fixture
def whole(page, messages):
    """The page of one who missed nothing, just before the end."""
    rest = begin(page, messages)
    page.evaluate("view()")
    deliver(page, rest[:-1])
    page.wait_for_function("html(0).includes('x'.repeat(150) + '</p>')")
    html = page.evaluate("html(0)")
    assert html.count("<details") == 4
    assert "<h2>In other scripts</h2>" in html
    assert 'aria-label="Copy the code"' in html
    return html


def last_snapshot(messages):
    return max(i for i, message in enumerate(messages) if "snapshot" in message)


def test_the_sections_come_in_order(page, messages, whole):
    kinds = page.evaluate(
        "[...document.querySelector('.nbs-answer').children].map(e => e.className)"
    )
    calls = ["nbs-call"] * 2
    assert kinds == ["nbs-fold", *calls, "nbs-fold", "nbs-text", "nbs-status"]
    assert page.locator("summary").all_inner_texts() == [
        "Reasoning",
        'lookup_city(city="Berlin", units="metric") → {"rain": 570} · 0.2 s',
        'lookup_city("Munich") → failed: no such city <b>Munich</b> · 0.1 s',
        "Reasoning · 30 tokens",
    ]
    assert page.locator("details[open]").count() == 0
    assert page.get_by_role("status").inner_text() == "The answer is being written."
    assert page.locator(".nbs-answer[aria-busy=true]").count() == 1
    page.evaluate("deliver", [messages[-1]])
    assert page.get_by_role("status").inner_text() == "The answer is complete."
    assert page.locator(".nbs-answer[aria-busy=false]").count() == 1
    assert page.locator("summary").last.inner_text().startswith("model-1 · 420 in · 460 out")
    assert page.locator(".nbs-status").count() == 0


@pytest.mark.parametrize("seed", range(6))
def test_lost_frames_are_made_good_by_the_next_snapshot(page, messages, whole, seed):
    rng = random.Random(seed)
    rest = begin(page, messages)
    page.evaluate("view()")
    last = last_snapshot(rest)
    kept = [m for i, m in enumerate(rest[:-1]) if i >= last or rng.random() > 0.2]
    assert len(kept) < len(rest) - 5
    deliver(page, kept)
    shows(page, whole)


@pytest.mark.parametrize("seed", range(3))
def test_frames_out_of_turn_are_put_in_order(page, messages, whole, seed):
    rng = random.Random(seed)
    rest = begin(page, messages)[:-1]
    page.evaluate("view()")
    mixed = sorted(enumerate(rest), key=lambda item: item[0] + rng.uniform(0, 4))
    assert [i for i, _ in mixed] != list(range(len(rest)))
    deliver(page, [message for _, message in mixed])
    shows(page, whole)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.6, 0.9])
def test_a_page_that_comes_late_shows_all(page, messages, whole, share):
    rest = begin(page, messages, at=int(last_snapshot(messages) * share))
    page.evaluate("view()")
    deliver(page, rest[:-1])
    shows(page, whole)


@pytest.mark.parametrize("share", [0, 0.2, 0.5, 0.9, 1])
def test_two_views_of_one_answer_show_the_same(page, messages, whole, share):
    rest = begin(page, messages)[:-1]
    page.evaluate("view()")
    middle = int(len(rest) * share)
    deliver(page, rest[:middle])
    page.evaluate("view()")
    assert page.evaluate("html(1) === html(0)")
    deliver(page, rest[middle:])
    shows(page, whole, 0)
    shows(page, whole, 1)


def test_the_page_asks_for_what_stays_missing(page, messages):
    rest = begin(page, messages)
    page.evaluate("view()")
    deliver(page, [rest[0], *rest[2:4]])
    assert page.evaluate("sent") == []
    page.wait_for_function("sent.length === 1")
    assert page.evaluate("sent") == [{"want": "snapshot"}]


def test_what_ran_ends_with_its_kernel(page, messages):
    rest = begin(page, messages)
    page.evaluate("view()")
    asks = next(
        i
        for i, message in enumerate(rest)
        if any("asks" in str(op) for op in message.get("custom", {}).get("ops", []))
    )
    deliver(page, rest[: asks + 1])
    expect(page.get_by_role("button", name="Run")).to_be_visible()
    page.evaluate("kernel.statusChanged.emit('dead')")
    expect(page.get_by_role("status")).to_contain_text("the kernel has restarted or ended")
    page.evaluate("view()")
    deliver(page, rest[asks + 1 :])  # of nobody
    for answer in page.locator(".nbs-answer").all():
        expect(answer).to_have_attribute("aria-busy", "false")
        expect(answer.locator(".nbs-mark")).to_contain_text("the kernel has restarted or ended")
        expect(answer.get_by_role("button")).to_have_count(0)
        expect(answer.locator(".nbs-text")).to_have_count(0)


def test_reasoning_is_open_until_the_answer_begins_unless_the_reader_decides(page, messages):
    rest = begin(page, messages)[:-1]
    page.evaluate("view()")
    page.evaluate("view()")
    settle = next(
        i
        for i, message in enumerate(rest)
        if any(op[0] == "settle" for op in message.get("custom", {}).get("ops", []))
    )
    deliver(page, rest[:settle])
    folds = page.locator("details:has-text('The user wants')")
    assert folds.evaluate_all("all => all.map(e => e.open)") == [True, True]
    folds.first.locator("summary").click()
    folds.first.locator("summary").click()
    deliver(page, rest[settle:])
    assert folds.evaluate_all("all => all.map(e => e.open)") == [True, False]


def test_text_that_was_reasoning_goes_into_its_fold(page):
    rest = begin(page, sent("answers.thought()"))
    dropped = next(
        i
        for i, message in enumerate(rest)
        if any(op[0] == "drop" for op in message.get("custom", message).get("ops", []))
    )
    page.evaluate("view()")
    deliver(page, rest[:dropped])
    text = page.locator(".nbs-text")
    expect(text).to_contain_text("Berlin?")
    deliver(page, rest[dropped : dropped + 1])
    fold = page.locator("details")
    expect(fold).to_contain_text("Berlin?")
    expect(fold).to_have_attribute("open", "")
    expect(text).to_have_count(0)
    deliver(page, rest[dropped + 1 : -1])
    expect(text).to_have_text("It is Berlin.")
    expect(fold).not_to_have_attribute("open", "")
    expect(fold.locator("summary")).to_have_text("Reasoning · 2.0 s")


def test_the_copy_button_copies_the_code(page, messages, whole):
    page.evaluate("document.body.focus()")
    page.get_by_role("button", name="Copy the code").click()
    page.get_by_text("Copied", exact=True).first.wait_for()


def test_the_copy_button_covers_no_code(page, messages, whole):
    page.add_style_tag(content=stylesheet("answer", "code"))
    page.add_style_tag(content="pre { margin: 1.5em 2em }")
    code, tools = page.locator(".nbs-code pre"), page.locator(".nbs-code-tools")
    code.hover()
    expect(tools).to_have_css("opacity", "1")
    tools.get_by_role("button").hover()  # it stays while the mouse goes there
    expect(tools).to_have_css("opacity", "1")
    above, below = tools.bounding_box(), code.bounding_box()
    assert above["y"] + above["height"] <= below["y"] + 1
    page.mouse.move(0, 0)
    expect(tools).to_have_css("opacity", "0")
