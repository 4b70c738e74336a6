"""What models write, in the browser that has to show it: hostile, huge, unfinished, in any script."""

from __future__ import annotations

from itertools import pairwise

import pytest
from playwright.sync_api import Page, Route, expect

from tests.page.pretended import pretend, send_event, snapshot
from tests.page.steps import pane

HOSTILE = """
<script>window.hacked = 1</script>

<img src=x onerror="window.hacked = 2"> <svg onload="window.hacked = 3"></svg>

<iframe src="https://evil.test"></iframe><style>body { display: none }</style>

[click](javascript:window.hacked=4) [data](data:text/html,<script>window.hacked=5</script>) [ours](/api/arena/battles)

![beacon](https://evil.test/pixel.png) <form action="https://evil.test"><button>Model B is better</button></form>

<b style="position:fixed;inset:0">cover</b> <a href="https://x.test" onclick="window.hacked=6">x</a>

$$\\href{javascript:window.hacked=7}{x}$$ and \\(\\class{verdict}{x}\\) and \\(\\style{position:fixed}{y}\\)

| a | b |
|---|---|
| <script>window.hacked=8</script> | **x** |

```html
<script>window.hacked = 9</script>
"""


def test_hostile_text_runs_nothing_loads_nothing_and_stays_readable(tab: Page) -> None:
    asked: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    pretend(tab, snapshot(HOSTILE, HOSTILE.replace("\n\n", "\n")))
    expect(pane(tab, "a")).to_contain_text("<script>window.hacked = 1</script>")
    for link in tab.locator(".answer a").all():
        assert (link.get_attribute("href") or "").startswith("https://")
        assert link.get_attribute("rel") == "noopener noreferrer nofollow"
    tab.wait_for_timeout(300)  # whatever would run, would have begun
    assert tab.evaluate("window.hacked") is None
    assert [url for url in asked if "evil" in url] == []
    assert tab.locator(".answer :is(script, iframe, form, img, style, svg)").count() == 0
    expect(tab.get_by_role("button", name="Model B is better")).to_have_count(1)
    assert tab.locator("body").is_visible()


def test_code_is_coloured_and_mathematics_is_set_under_the_strict_policy(tab: Page) -> None:
    text = "```python\ndef f(x):\n    return 'a' + x\n```\n\nEuler: \\(e^{i\\pi} + 1 = 0\\) and\n\n$$\\frac{a}{b}$$\n"
    pretend(tab, snapshot(text, "x"))
    expect(pane(tab, "a").locator(".hl-keyword").first).to_have_text("def")
    expect(pane(tab, "a").locator("math")).to_have_count(2)
    expect(pane(tab, "a").locator("mfrac")).to_have_count(1)
    tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
    pane(tab, "a").locator(".copy").click()
    assert tab.evaluate("navigator.clipboard.readText()") == "def f(x):\n    return 'a' + x"


#: Notes in every frame how high the answer is and which letters it shows.
WATCH = """() => {
  window.frames_ = [];
  const root = document.querySelector('#pane-a .answer');
  const look = () => {
    const copy = root.cloneNode(true);
    copy.querySelectorAll("figcaption").forEach(one => one.remove());
    frames_.push([root.getBoundingClientRect().height, copy.textContent.replace(/[^a-z]/gi, "")]);
    requestAnimationFrame(look);
  };
  look();
}"""
GROWING = """# Title

Some **bold** text with `code`, a [link](https://example.org) and more.

- one
- two with *words*
- three

| head | other |
|---|---|
| cell | cell |

Paragraph
- at once a list

```js
let first = 1;
```

The end.
"""


@pytest.mark.page
def test_while_it_is_written_nothing_flickers(tab: Page) -> None:
    """In no frame is anything gone that was there, and nothing jumps up."""
    pretend(tab, snapshot(state="writing"))
    tab.evaluate(WATCH)
    for n in range(0, len(GROWING), 3):
        send_event(tab, "delta", round=1, side="a", text=GROWING[n : n + 3])
        tab.wait_for_timeout(25)
    send_event(tab, "answer", round=1, side="a", finish_reason="stop")
    expect(pane(tab, "a")).to_contain_text("The end.")
    frames = tab.evaluate("frames_")
    shown = [frames[0], *(new for old, new in pairwise(frames) if new != old)]
    assert len(shown) > 20
    for (height, letters), (later, more) in pairwise(shown):
        assert more.startswith(letters), f"{letters} became {more}"
        assert later >= height - 1, f"{letters}: {height} px became {later}"


@pytest.mark.page
def test_a_huge_table_and_a_long_line_stay_in_their_boxes(tab: Page) -> None:
    row = "|" + "cell with words|" * 60
    text = f"{row}\n|{'---|' * 60}\n" + f"{row}\n" * 200 + "\n\n```\n" + "x" * 5000 + "\n```\n\n" + "y" * 3000
    pretend(tab, snapshot(text, "short"))
    expect(pane(tab, "a").locator("tr")).to_have_count(201)
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize(("text", "direction"), [("مرحبا بالعالم، هذا نص عربي.", "rtl"), ("你好**世界**", "ltr")])
def test_every_block_has_the_direction_of_its_script(tab: Page, text: str, direction: str) -> None:
    pretend(tab, snapshot(f"{text}\n\nEnglish words.", "x"))
    directions = tab.evaluate(
        "[...document.querySelectorAll('#pane-a p[dir]')].map(p => getComputedStyle(p).direction)"
    )
    assert directions == [direction, "ltr"]


def test_lists_quotations_and_tables_of_right_to_left_text_begin_at_the_right(tab: Page) -> None:
    word = "\u0648\u0627\u062d\u062f"
    text = f"{word}\n\n- {word}\n- {word}\n\n> {word}\n\n|{word}|{word}|\n|---|---|\n|1|2|\n"
    pretend(tab, snapshot(text, "- one\n\n> two"))
    script = (
        "side => ['ul', 'blockquote'].map(one => getComputedStyle(document.querySelector(`#${side} ${one}`)).direction)"
    )
    assert tab.evaluate(script, "pane-a") == ["rtl", "rtl"]
    assert tab.evaluate(script, "pane-b") == ["ltr", "ltr"]
    first, second = (tab.locator("#pane-a th").nth(n).bounding_box() for n in (0, 1))
    assert first
    assert second
    assert first["x"] > second["x"]
    table, whole = tab.locator("#pane-a table").bounding_box(), tab.locator("#pane-a .answer p").first.bounding_box()
    assert table
    assert whole
    assert abs(table["x"] + table["width"] - whole["x"] - whole["width"]) < 2, "the table stands at the right"
    marks = tab.locator("#pane-a ul").bounding_box()
    item = tab.locator("#pane-a li").first.bounding_box()
    assert marks
    assert item
    assert marks["x"] + marks["width"] - item["x"] - item["width"] > 12, "room for the marks"


def test_a_side_can_be_seen_ahead_of_the_other_by_who_began_the_battle(tab: Page) -> None:
    asked: list[object] = []

    def answered(route: Route) -> None:
        asked.append(route.request.post_data_json)
        route.fulfill(json=snapshot("All of it.", "Half", state="writing", cursor="k-200"))

    tab.route("**/whole", answered)
    pretend(tab, snapshot("Half", "Half", state="writing"))
    tab.get_by_role("button", name="Show now: Model A").click()
    expect(pane(tab, "a").locator(".answer")).to_have_text("All of it.")
    expect(tab.get_by_role("button", name="Show now: Model A")).to_be_hidden()
    expect(tab.get_by_role("heading", name="Model A")).to_be_focused()
    assert asked == [{"round": 1, "side": "a"}]
    tab.evaluate("pretend.n = 300")  # what comes next comes after that
    send_event(tab, "answer", round=1, side="b", finish_reason="stop")
    expect(tab.get_by_role("button", name="Show now: Model B")).to_be_hidden()


def test_what_a_side_waits_for_is_said_in_words(tab: Page) -> None:
    pretend(tab, snapshot(state="queued"))
    state = pane(tab, "a").locator(".state")
    send_event(tab, "status", round=1, side="a", state="queued", place=3, eta_s=38)
    expect(state).to_have_text("3rd in line, about 40 s")
    send_event(tab, "status", round=1, side="a", state="loading", eta_s=12)
    expect(state).to_have_text("The model is being brought into memory, about 15 s")
    send_event(tab, "status", round=1, side="a", state="writing")
    expect(state).to_have_text("Writing")
    send_event(tab, "answer", round=1, side="a", finish_reason="length")
    expect(state).to_have_text("Cut at the length limit")
    expect(tab.locator(".reason")).to_have_text("You can vote once Model B is complete.")
    send_event(tab, "reset", round=1, side="b")
    expect(pane(tab, "b").locator(".note")).to_have_text("Started again on another server.")
    error = {"code": "cut_off", "message": "x"}
    send_event(tab, "answer", round=1, side="b", finish_reason="error", error=error)
    expect(pane(tab, "b").locator(".note")).to_contain_text("cut off before its end")
    aliases = {"a": {"alias": "Model A"}, "b": {"alias": "Model C"}}
    send_event(tab, "round", round=1, rounds_total=1, sides=aliases)
    expect(pane(tab, "b").locator(".note")).to_contain_text("Model B could not answer and left")
