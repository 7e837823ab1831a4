"""The pages in a headless browser, which takes seconds to start: they fit, are silent, and can be read and used.

First the report with everything on it; then the explorer, whose filters and steps work and in which text stays text.
"""

import pytest

from iterpref_core.evaluation.report.explorer import write_explorer
from iterpref_core.records import PreferencePair, Problem
from iterpref_core.storage.jsonl import write_jsonl
from scripts.shots import shots_of_report
from tests.evaluation.report.conftest import HOSTILE, Experiment
from tests.evaluation.report.test_explorer import attempt, trajectory
from tests.settings import PARAMS
from tests.texts import written

pytestmark = pytest.mark.slow  # chromium takes five CPU seconds to start; texts and markup are tested without it

MEASURE = """(() => {
  const root = document.documentElement, width = root.clientWidth;
  document.querySelectorAll("details").forEach(element => element.open = true);
  const wide = [...document.querySelectorAll("body *")].filter(
    element => !element.closest(".scroll, .hidden, .skip, thead")
      && element.getBoundingClientRect().right > width + 1);
  return {inner: width, scroll: root.scrollWidth, wide: wide.slice(0, 5).map(element => element.outerHTML),
    pairs: document.querySelectorAll(".pair").length};
})()"""
# Colors as the browser computes them, color-mix() included, drawn on the layers behind them (WCAG 2.2, 1.4.3).
CONTRAST = """(() => {
  const context = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
  const blend = colors => {
    context.clearRect(0, 0, 1, 1);
    for (const color of colors) { context.fillStyle = color; context.fillRect(0, 0, 1, 1); }
    return [...context.getImageData(0, 0, 1, 1).data.slice(0, 3)];
  };
  const luminance = rgb => rgb.map(c => c / 255).map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || element.closest(".hidden, title")) continue;
    const style = getComputedStyle(element), behind = [];
    for (let e = element; e; e = e.parentElement) behind.unshift(getComputedStyle(e).backgroundColor);
    const ink = element.closest("svg") ? style.fill : style.color;
    const [one, other] = [blend(behind), blend([...behind, ink])].map(luminance);
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    found.push({ratio, text: walker.currentNode.data.trim().slice(0, 40), where: element.outerHTML.slice(0, 90)});
  }
  return found;
})()"""


@pytest.mark.parametrize(("width", "dark"), [(390, False), (1280, False), (1280, True)])
def test_a_full_page_fits_asks_for_nothing_and_all_text_stands_out(rich_page, browser, width, dark):
    browser.open(rich_page, width, dark=dark)
    assert browser.evaluate(MEASURE) == {"inner": width, "scroll": width, "wide": [], "pairs": 10}
    assert browser.complaints == []
    assert [url for url in browser.requests if not url.startswith("data:")] == [rich_page.as_uri()]
    found = browser.evaluate(CONTRAST)
    assert len(found) > 1000
    assert [item for item in found if item["ratio"] < 4.5] == []
    lightness = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (lightness == "rgb(20, 22, 26)") == dark, "the measured page is the dark one where it should be"


UNSEEN = "user = 'a\u202e\u2066b'\u200b # \x1b[31m\x00\ufeff \u00e9 \U000e0041\n"
SHOWN = "user = 'a\\u202e\\u2066b'\\u200b # \\u001b[31m\\u0000\\ufeff \u00e9 \\u{e0041}"

DETAIL = "document.getElementById('problem-detail').innerText"
DRAFT = "def f(x):\n    y = x\n    return y\n"
FIXED = "def f(x):\n    y = x + 1\n    return y\n"


@pytest.fixture(scope="module")
def explorer(tmp_path_factory):
    experiment = Experiment(tmp_path_factory.mktemp("explorer"))
    files = experiment.files
    hostile = f"</script>{HOSTILE}<img src=x onerror=alert(1)>\n{UNSEEN}"
    write_jsonl(
        files.trajectories,
        [
            trajectory("codeflow/1", attempt(code=DRAFT), attempt(code=DRAFT.replace("y", "z"), number=1),
                       attempt("passed", "passed", 2, code=FIXED, feedback="")),
            trajectory("codeflow/2", attempt("passed", "timeout", code=FIXED, feedback="")),
            trajectory("codeflow/10", attempt("timeout", code="x" * 10_000_000)),
            trajectory(hostile, attempt("crash", code=hostile, feedback=hostile), attempt("crash", number=1, code="")),
        ],
    )  # fmt: skip
    pair = PreferencePair(task_id="codeflow/1", prompt="p", chosen=FIXED, rejected=DRAFT)
    write_jsonl(files.pairs, [pair])
    write_jsonl(files.focal, [pair.model_copy(update={"rejected_spans": ((14, 19),), "chosen_spans": ()})])
    write_jsonl(files.problems, [Problem(task_id="codeflow/1", prompt="Add one.", entry_point="f", tests=())])
    reasons = {"codeflow/2": "fails_hidden_tests", "codeflow/10": "unsolved", hostile: "unsolved"}
    written(files.dropped, *({"reason": why, "where": "", "task_id": name} for name, why in reasons.items()))
    write_explorer(files, PARAMS.codeflow, experiment.root / "explorer.html", experiment.summarize(names=["base"]))
    return experiment.root / "explorer.html"


def text(browser):
    return str(browser.evaluate(DETAIL))


def listed(browser):
    return browser.evaluate("[...document.querySelectorAll('#problem-list b')].map(b => b.textContent)")


def choose(browser, name, value):
    change = f"s.value = {value!r}; s.dispatchEvent(new Event('input')); return s.value"
    assert browser.evaluate(f"(s => {{{change}}})(document.getElementById('{name}'))") == value


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_explorer_fits_is_silent_asks_for_nothing_and_stands_out(explorer, browser, width, dark):
    browser.open(explorer, width, dark=dark)
    for step in (0, 1, 2, 3):
        browser.evaluate(f"location.hash = '#problem=codeflow/1&step={step}'")
        browser.wait(
            lambda step=step: browser.evaluate(
                f"document.querySelectorAll('.steps button')[{step + 1}].ariaCurrent === 'step'"
            ),
            f"step {step}",
        )
        found = browser.evaluate(MEASURE)
        assert (found["scroll"], found["wide"]) == (width, [])
        low = [item for item in browser.evaluate(CONTRAST) if item["ratio"] < 4.5]
        assert [item for item in low if "disabled" not in item["where"]] == []
    assert browser.complaints == []


def test_a_number_of_mended_problems_leads_to_them(rich_page, browser):
    browser.open(rich_page, 1280)
    browser.click("link", "30 broken by DPO")
    browser.wait(lambda: browser.shows("20 of "), "the filtered list")
    assert {name.partition(", ")[2] for name in listed(browser)} == {"broken by DPO"}
    assert browser.complaints == []


def test_the_pages_show_what_their_pictures_wait_for(rich_page, explorer, browser):
    for page, picture in zip((rich_page, explorer), shots_of_report(explorer.parent), strict=True):
        browser.open(page, picture.width)
        browser.wait(lambda picture=picture: browser.shows(*picture.texts), picture.texts)


def test_filters_leave_what_matches_all_of_them(explorer, browser):
    browser.open(explorer, 1280)
    hostile = listed(browser)[0]
    every = [hostile, "codeflow/1", "codeflow/2", "codeflow/10"]
    assert listed(browser) == every
    for filters, expected in (
        ({"outcome": "unsolved"}, [hostile, "codeflow/10"]),
        ({"outcome": ""}, every),
        ({"verdict": "wrong_answer"}, ["codeflow/1"]),
        ({"iteration": "2"}, []),
        ({"verdict": "passed"}, ["codeflow/1"]),
        ({"iteration": "0"}, ["codeflow/2"]),
        ({"verdict": "hidden timeout"}, ["codeflow/2"]),
        ({"verdict": "", "iteration": "", "model": "debugger"}, [hostile, "codeflow/1"]),
        ({"model": "", "search": "ADD one"}, ["codeflow/1"]),
    ):
        for name, value in filters.items():
            choose(browser, name, value)
        assert listed(browser) == expected, filters
        assert browser.shows(f"{len(expected)} of 4 match")
        if expected:
            assert text(browser).startswith(expected[0].split("\n")[0])


def test_attempts_are_stepped_through_with_what_changed(explorer, browser):
    browser.open(explorer, 1280)
    browser.click("link", r"codeflow\/1.*")
    browser.wait(lambda: "Draft by student: wrong answer" in text(browser), "draft")
    changes = "[...document.querySelectorAll('#problem-detail :is(ins, del)')].map(e => e.tagName + e.textContent)"
    assert browser.evaluate(changes) == []
    assert "f() returned" not in text(browser).partition("Feedback")[0]
    browser.click("button", "Next ›")
    assert "Attempt 1 by debugger: wrong answer, against draft" in text(browser)
    assert browser.evaluate(changes) == ["DEL    y = x", "DEL    return y", "INS    z = x", "INS    return z"]
    browser.click("button", "Attempt 2")
    assert browser.evaluate(changes) == ["DEL    z = x", "DEL    return z", "INS    y = x + 1", "INS    return y"]
    browser.click("button", "Show program")
    assert browser.evaluate(changes) == []
    assert browser.evaluate("document.activeElement.tagName") in {"BUTTON", "BODY"}
    browser.click("button", "Pair")
    assert browser.evaluate("document.querySelectorAll('.del-side .line.marked').length") == 1
    assert "marked: the error region D−" in text(browser)
    browser.wait(lambda: browser.evaluate("location.hash") == "#problem=codeflow%2F1&step=3", "address")
    browser.click("link", r"codeflow\/2.*")
    browser.wait(lambda: "hidden tests: timeout" in text(browser), "the next problem")
    browser.evaluate("history.back()")
    browser.wait(lambda: "error region D−" in text(browser), "the pair again")


def test_what_models_wrote_is_text_and_what_cannot_be_seen_is(explorer, browser):
    browser.open(explorer, 390)
    assert SHOWN in text(browser)
    code = browser.evaluate("document.querySelector('#problem-detail .line:nth-of-type(2) .source').textContent")
    assert code == SHOWN
    assert "<img src=x onerror=alert(1)>" in text(browser)
    assert browser.evaluate("document.title") == "IterPref: what happened, attempt by attempt"
    assert browser.evaluate("document.images.length + document.scripts.length") == 2
    browser.click("link", r"codeflow\/10.*")
    browser.wait(lambda: "9,994,000 characters more" in text(browser), "the end of a long line")
    assert browser.evaluate("document.documentElement.scrollWidth") == 390
    assert browser.complaints == []
    # Whatever finds its way into the page otherwise is refused.
    refused = "(() => { try { document.body.innerHTML = '<b>x</b>'; return 'taken'; } catch (e) { return e.name; } })()"
    assert browser.evaluate(refused) == "TypeError"
