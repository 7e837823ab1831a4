"""The page in a headless browser, with everything on it: it fits, is silent, and can be read and used by keyboard."""

import pytest

from docs.shots import shots_of_report
from iterpref_core.evaluation.report.pair_view import write_html
from iterpref_core.records import FocalSpans, PreferencePair

OPEN_ALL = 'document.querySelectorAll("details").forEach(element => element.open = true)'

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


# How far each row of a wrapped line of code begins right of the line's box, in columns.
ROWS = """(selector => {
  const source = document.querySelector(selector);
  const range = document.createRange();
  range.selectNodeContents(source);
  const rows = new Map();
  for (const box of range.getClientRects()) {
    const top = Math.round(box.top);
    rows.set(top, Math.min(box.left, rows.get(top) ?? Infinity));
  }
  const column = document.createElement("span");
  column.textContent = "0";
  source.append(column);
  const width = column.getBoundingClientRect().width;
  column.remove();
  const left = source.getBoundingClientRect().left;
  const inOrder = [...rows].sort((one, other) => one[0] - other[0]);
  return inOrder.map(([, start]) => Math.round((start - left) / width));
})"""


@pytest.mark.parametrize("width", [390, 1280])
def test_a_full_page_fits_and_asks_for_nothing(rich_page, browse, width):
    found = browse(rich_page.read_text(encoding="utf-8"), width)
    assert found == {"inner": width, "scroll": width, "wide": [], "pairs": 10}


def test_it_shows_what_its_picture_waits_for(rich_page, browser):
    picture, _ = shots_of_report(rich_page.parent)
    browser.open(rich_page, picture.width)
    assert browser.shows(*picture.texts)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_all_text_stands_out_from_what_is_behind_it(rich_page, browser, dark):
    browser.open(rich_page, 1280, dark=dark)
    browser.evaluate(OPEN_ALL)
    found = browser.evaluate(CONTRAST)
    assert len(found) > 1000
    assert [item for item in found if item["ratio"] < 4.5] == []
    lightness = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (lightness == "rgb(20, 22, 26)") == dark, "the measured page is the dark one where it should be"


def test_a_phone_shows_the_scale_of_the_intervals(rich_page, browser):
    browser.open(rich_page, 390)
    axis = "document.querySelector('.results .axis')"
    assert browser.evaluate(f"{axis}.innerText.split(/\\s+/)") == ["0%", "50%", "100%"]
    assert browser.evaluate(f"{axis}.getBoundingClientRect().width") > 300


def test_a_wrapped_line_of_code_goes_on_behind_its_indentation(browser, tmp_path):
    program = "def f(values):\n        return " + " + ".join(f"values[{number}]" for number in range(40)) + "\n"
    pair = PreferencePair(task_id="t/1", prompt="Use `f`.", chosen=program, rejected="pass\n")
    spans = FocalSpans(task_id="t/1", method="line_lcs", rejected=((0, 4),), chosen=())
    write_html([pair], {"t/1": spans}, tmp_path / "pairs.html")
    browser.open(tmp_path / "pairs.html", 390)
    rows = browser.evaluate(f"{ROWS}('.ins-side .line:nth-of-type(2) .source')")
    assert len(rows) > 5
    assert rows[0] == 0
    assert set(rows[1:]) == {8 + 2}
    assert browser.evaluate("document.querySelector('.prompt code').textContent") == "f"
