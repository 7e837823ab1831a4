"""Pairs with their error region: the marks are where the spans are, and no text of a model becomes markup."""

from html.parser import HTMLParser
from pathlib import Path

import pytest
from rich.console import Console

from iterpref_core.localization.line_lcs import differing_lines
from iterpref_core.records import FocalSpans, PreferencePair, Span
from iterpref_core.report.pair_terminal import render_terminal
from iterpref_core.report.pair_view import write_html
from iterpref_core.report.program_lines import cut_lines

CHOSEN = "def f(xs):\n    if not xs:\n        return 0\n    return max(xs)\n"
REJECTED = "def f(xs):\n    return min(xs)\n"
PAIR = PreferencePair(task_id="t/1", prompt="Largest, or 0.", chosen=CHOSEN, rejected=REJECTED)


def spans(*rejected: Span, chosen: tuple[Span, ...] = ()) -> FocalSpans:
    return FocalSpans(task_id="t/1", method="line_lcs", rejected=rejected, chosen=chosen)


@pytest.mark.parametrize("text", ["a\nb\n\nc", "a\r\nb\r\n", "", "\n", "x\fy\n", "ü = '→'\n"])
@pytest.mark.parametrize("span", [(0, 1), (0, 100), (1, 3), (2, 2)])
def test_segments_are_the_text_and_the_marked_ones_the_span(text: str, span: Span) -> None:
    span = (min(span[0], len(text)), min(span[1], len(text)))
    lines = cut_lines(text, [span])
    whole = "".join(piece.text for line in lines for piece in line.pieces)
    inside = "".join(piece.text for line in lines for piece in line.pieces if piece.marked)
    assert whole == text.replace("\r", "").replace("\n", "")
    assert inside == text[slice(*span)].replace("\r", "").replace("\n", "")


def test_a_line_without_characters_can_be_marked() -> None:
    for span in ((2, 3), (2, 2)):
        assert [line.marked for line in cut_lines("a\n\nb\n", [span])] == [False, True, False]
    assert [line.marked for line in cut_lines("a\n\nb\n", [(0, 2)])] == [True, False, False]


def test_overlapping_and_unordered_spans_mark_once() -> None:
    (line,) = cut_lines("abcdef", [(3, 5), (1, 4)])
    assert "".join(f"[{piece.text}]" if piece.marked else piece.text for piece in line.pieces) == "a[bc][d][e]f"


def test_without_spans_the_lines_outside_the_lcs_are_marked() -> None:
    found = differing_lines(PAIR)
    assert [REJECTED[start:end] for start, end in found.rejected] == ["    return min(xs)"]
    assert [CHOSEN[start:end].strip() for start, end in found.chosen] == ["if not xs:", "return 0", "return max(xs)"]


def test_terminal_marks_with_a_sign_and_not_by_color_alone() -> None:
    console = Console(width=60, color_system=None)
    with console.capture() as captured:
        console.print(render_terminal(PAIR, spans((11, 29))))
    lines = captured.get().splitlines()
    assert "2 −     return min(xs)" in next(line for line in lines if "min" in line)
    assert "−" not in next(line for line in lines if "def f" in line)


def test_terminal_takes_models_text_literally() -> None:
    pair = PAIR.model_copy(update={"rejected": "x = '[bold red]'\n", "prompt": "[/] end"})
    console = Console(width=60, color_system=None)
    with console.capture() as captured:
        console.print(render_terminal(pair, spans()))
    assert "x = '[bold red]'" in captured.get()
    assert "[/] end" in captured.get()


class _Program(HTMLParser):
    """Collects the text of each `<code>` without its line numbers and signs, and the tags on the page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.programs: list[str] = []
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag in ("span", "code"):
            self._open.append("aside" if ("aria-hidden", "true") in attrs else tag)
        if tag == "code":
            self.programs.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("span", "code"):
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if "code" in self._open and "aside" not in self._open:
            self.programs[-1] += data


def test_page_holds_the_programs_as_they_are_and_nothing_of_them_as_markup(tmp_path: Path) -> None:
    hostile = "def f(s):\n    return '</code><script>alert(1)</script>' + s & {{ 7 }}\n"
    pair = PAIR.model_copy(update={"rejected": hostile, "prompt": "<img src=x onerror=alert(1)>"})
    write_html([pair], {"t/1": spans((11, len(hostile) - 1))}, tmp_path / "pairs.html")

    page = _Program()
    page.feed((tmp_path / "pairs.html").read_text(encoding="utf-8"))

    assert page.programs == [hostile, CHOSEN]
    assert not {"script", "img"} & set(page.tags)
    assert page.tags.count("del") == 1


def test_an_empty_error_region_is_said_so(tmp_path: Path) -> None:
    write_html([PAIR], {"t/1": spans(chosen=((11, 20),))}, tmp_path / "pairs.html")
    assert "D− is empty" in (tmp_path / "pairs.html").read_text(encoding="utf-8")
