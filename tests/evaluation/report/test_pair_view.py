"""Pairs with their error region: the marks are where the spans are, and no text of a model becomes markup."""

import re
from html import escape

import pytest

from iterpref_core.evaluation.report.pair_view import code_spans, cut_lines, write_html
from iterpref_core.records import PreferencePair
from tests.settings import changed

CHOSEN = "def f(xs):\n    if not xs:\n        return 0\n    return max(xs)\n"
REJECTED = "def f(xs):\n    return min(xs)\n"
PAIR = PreferencePair(task_id="t/1", prompt="Largest, or 0.", chosen=CHOSEN, rejected=REJECTED)


@pytest.mark.parametrize("text", ["a\nb\n\nc", "a\r\nb\r\n", "", "\n", "x\fy\n", "ü = '→'\n"])
@pytest.mark.parametrize("span", [(0, 1), (0, 100), (1, 3), (2, 2)])
def test_segments_are_the_text_and_the_marked_ones_the_span(text, span):
    span = (min(span[0], len(text)), min(span[1], len(text)))
    lines = cut_lines(text, [span])
    whole = "".join(piece.text for line in lines for piece in line.pieces)
    inside = "".join(piece.text for line in lines for piece in line.pieces if piece.marked)
    assert whole == text.replace("\r", "").replace("\n", "")
    assert inside == text[slice(*span)].replace("\r", "").replace("\n", "")


def test_page_holds_the_programs_as_they_are_and_nothing_of_them_as_markup(tmp_path):
    hostile = "def f(s):\n    return '</code><script>alert(1)</script>' + s & {{ 7 }}\n"
    spans = ((11, len(hostile) - 1),)
    prompt = "<img src=x onerror=alert(1)>"
    pair = changed(PAIR, rejected=hostile, prompt=prompt, rejected_spans=spans, chosen_spans=())
    empty = changed(PAIR, rejected_spans=(), chosen_spans=((11, 20),))
    write_html([pair, empty], tmp_path / "pairs.html")
    page = (tmp_path / "pairs.html").read_text()
    for text in (hostile[11:-1], pair.prompt):
        assert escape(text).replace("&#x27;", "&#39;") in page
    assert not re.search("<(script|img)", page)
    assert page.count("<del") == 1
    assert page.count('style="--indent:4"') == 6
    assert "D− is empty" in page


def test_names_between_backticks_are_code_and_everything_else_is_text():
    assert str(code_spans("`<b>` and a lone ` here")) == "<code>&lt;b&gt;</code> and a lone ` here"
    assert str(code_spans("```python\nx\n```")) == "```python\nx\n```"
