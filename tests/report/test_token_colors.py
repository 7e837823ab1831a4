"""Tokens as colors: nothing of the text is lost, tokens may straddle anything, and the numbers are the sums."""

import html
import re
from collections.abc import Callable
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest
from rich.console import Console

from iterpref_core.records import FocalSpans, PairShifts, PreferencePair, TokenShift
from iterpref_core.report.pair_terminal import render_terminal
from iterpref_core.report.pair_view import legend, write_html
from iterpref_core.report.program_lines import GLYPHS, choose_scale, cut_lines, level, sum_changes

AWKWARD = "\n\ndef f(größe):\r\n\tif größe:\n\t\treturn '数据 🙂 <b>&'\rx = 1\n\n  \n\treturn None"


def tokens_of(text: str, seed: int) -> list[TokenShift]:
    """Tokens that cut a text anywhere, some characters into several, and the end token."""
    random = Random(seed)
    cuts = sorted({0, len(text), *random.choices(range(len(text) + 1), k=len(text) // 3)})
    tokens = [
        TokenShift(start=start, end=end, before=-random.random(), after=-3 * random.random())
        for start, end in pairwise(cuts)
        for _ in range(random.choice((1, 1, 1, 3)))
    ]
    return [*tokens, TokenShift(start=len(text), end=len(text), before=-1.0, after=-0.5)]


@pytest.mark.parametrize("text", [AWKWARD, "x = 1\n", "", "\n", "a\r\nb", "\n\n", "a\n\n\n"])
@pytest.mark.parametrize("seed", range(5))
def test_the_pieces_are_the_text_and_every_change_is_counted_once(text: str, seed: int) -> None:
    tokens = tokens_of(text, seed)
    random = Random(seed)
    start, end = sorted(random.choices(range(len(text) + 1), k=2))
    lines = cut_lines(text, [(start, end)], tokens)
    unseen = {glyph: char for char, glyph in GLYPHS.items()} | {"■": ""}
    rebuilt = "".join(unseen[p.text] if p.glyph else p.text for line in lines for p in line.pieces)
    assert rebuilt == text
    marked = "".join(p.text for line in lines for p in line.pieces if p.marked)
    assert marked == re.sub(r"[\r\n]", "", text[start:end])
    assert sum(line.change for line in lines) == pytest.approx(sum(t.after - t.before for t in tokens))
    assert [line.number for line in lines] == list(range(1, len(lines) + 1))
    penalized = cut_lines(text, [(start, end)], tokens, penalized=True)
    k_minus = sum_changes(tokens, [(start, end)])
    assert sum(line.change for line in penalized if line.marked) == pytest.approx(k_minus), "as it stands above them"


def test_a_token_that_holds_a_line_end_and_an_indentation_colors_both_and_counts_in_the_first_line() -> None:
    text = "if x:\n    y"
    shifts = [(0, 5, 0.0), (5, 10, 2.0), (10, 11, -1.0), (11, 11, 0.5)]
    tokens = [TokenShift(start=s, end=e, before=-1.0, after=c - 1.0) for s, e, c in shifts]
    first, second = cut_lines(text, [(6, 11)], tokens)
    assert [(p.text, p.token.change if p.token else None, p.first) for p in first.pieces] == [
        ("if x:", 0.0, True),
        ("↵", 2.0, True),
    ]
    assert [(p.text, p.token.change if p.token else None, p.marked, p.first) for p in second.pieces] == [
        ("    ", 2.0, True, False),
        ("y", -1.0, True, True),
        ("■", 0.5, False, True),
    ]
    assert (first.marked, second.marked) == (False, True)
    assert (first.change, second.change) == (2.0, -0.5)
    penalized = cut_lines(text, [(6, 11)], tokens, penalized=True)
    assert [line.change for line in penalized] == [0.0, 1.0], (
        "K- is +1: the end of the program is outside of D-, the indentation inside"
    )
    assert second.pieces[0].token is not None
    assert second.pieces[0].token.note == "+2.000 nats (log π −1.000 before, 1.000 after, in D−)"


def test_the_bytes_of_one_character_are_shown_as_one_and_a_cut_end_has_no_color() -> None:
    tokens = [TokenShift(start=0, end=1, before=-1.0, after=-2.0) for _ in range(3)]
    (line,) = cut_lines("🙂 = 1", [], tokens)
    shown, rest = line.pieces
    assert shown.token is not None
    assert (shown.text, shown.token.count, shown.token.change) == ("🙂", 3, -3.0)
    assert "3 tokens" in shown.token.note
    assert (rest.text, rest.token) == (" = 1", None)


def test_tokens_without_characters_go_with_the_one_after_them_wherever_they_say_they_are() -> None:
    places = [(0, 2), (0, 0), (2, 3), (3, 3), (3, 3)]
    tokens = [TokenShift(start=s, end=e, before=0.0, after=float(10**n)) for n, (s, e) in enumerate(places)]
    (line,) = cut_lines("abc", [], tokens)
    assert [(p.text, p.token.change if p.token else 0) for p in line.pieces] == [("ab", 1), ("c", 110), ("■", 11000)]
    assert line.change == 11111


def test_sums_are_those_of_the_tokens_that_share_a_character_with_the_region() -> None:
    tokens = [TokenShift(start=s, end=s + 2, before=0.0, after=float(10**s)) for s in range(0, 6, 2)]
    tokens.append(TokenShift(start=6, end=6, before=0.0, after=0.5))
    assert sum_changes(tokens) == 10101.5
    assert sum_changes(tokens, [(1, 3)]) == 101
    assert sum_changes(tokens, [(2, 2), (4, 6)]) == 10000
    assert sum_changes(tokens, []) == 0


def test_the_scale_reaches_almost_all_tokens_and_both_ends_of_the_key_are_open() -> None:
    tokens = tuple(TokenShift(start=0, end=1, before=0.0, after=c) for c in [-0.1] * 96 + [-30.0] * 4)
    shifts = PairShifts(task_id="t", chosen=tokens, rejected=())
    assert choose_scale([shifts]) == 0.4
    assert choose_scale([shifts, PairShifts(task_id="t", chosen=(), rejected=tokens[-10:])]) == 40
    assert [level(c, 2.0) for c in (-5, -2, -0.2, 0, 0.2, 0.26, 1.0, 5)] == [-4, -4, 0, 0, 0, 1, 2, 4]
    assert [label for _, label in legend(2.0)][:5] == ["≤ −2", "−1.5", "−1", "−0.5", "0"]


CHOSEN, REJECTED = AWKWARD, AWKWARD.replace("x = 1", "</code><script>alert(1)</script>")
PAIR = PreferencePair(task_id="t/1", prompt="p", chosen=CHOSEN, rejected=REJECTED)
SHIFTS = PairShifts(task_id="t/1", chosen=tuple(tokens_of(CHOSEN, 1)), rejected=tuple(tokens_of(REJECTED, 2)))
START = REJECTED.index("</code>")
SPANS = FocalSpans(task_id="t/1", method="token", rejected=((START, START + 9),), chosen=())


class _Source(HTMLParser):
    """The text of each program without glyphs, signs and numbers; the tags; the notes; what Tab stops at."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.programs: list[str] = []
        self.tags: list[str] = []
        self.notes: list[str] = []
        self.stops = 0
        self._open: list[bool] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.append(tag)
        if tag == "code":
            self.programs.append("")
        if tag in ("code", "span", "del", "ins"):
            classes = (values.get("class") or "").split()
            aside = bool({"gutter", "sign", "sum", "glyph"} & set(classes))
            self._open.append(aside)
            self.stops += "tabindex" in values
            self.notes += [values["title"] or ""] if "title" in values else []

    def handle_endtag(self, tag: str) -> None:
        if tag in ("code", "span", "del", "ins"):
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if self._open and not any(self._open):
            self.programs[-1] += data


def _page(tmp_path: Path, count: int = 1) -> str:
    pairs = [PAIR.model_copy(update={"task_id": f"t/{n}"}) for n in range(1, count + 1)]
    write_html(
        pairs,
        {pair.task_id: SPANS for pair in pairs},
        tmp_path / "pairs.html",
        {pair.task_id: SHIFTS for pair in pairs},
    )
    return (tmp_path / "pairs.html").read_text(encoding="utf-8")


def test_the_page_keeps_the_programs_and_says_every_number_once_to_the_keyboard(tmp_path: Path) -> None:
    page = _page(tmp_path)
    source = _Source(page)
    ends = re.compile(r"\r\n|\r|\n")
    texts = [ends.sub("\n", text) + "\n" for text in (REJECTED, CHOSEN)]
    assert source.programs[-2:] == texts, "the first is the key's own <code>"
    assert not {"script", "img", "b"} & set(source.tags)
    rejected = cut_lines(REJECTED, SPANS.rejected, SHIFTS.rejected, penalized=True)
    chosen = cut_lines(CHOSEN, (), SHIFTS.chosen)
    shown, others = (
        {(p.token.start, p.token.note) for line in lines for p in line.pieces if p.token}
        for lines in (rejected, chosen)
    )
    assert source.stops == len(shown) + len(others)
    assert set(source.notes) == {note for _, note in shown | others}
    everything = sum(t.after - t.before for t in SHIFTS.chosen)
    assert f"K+ = {everything:+.2f}".replace("-", "−") in html.unescape(page)


@pytest.mark.parametrize("width", [390, 1280])
def test_the_colored_page_fits_its_window(tmp_path: Path, browse: Callable[[str, int], Any], width: int) -> None:
    assert browse(_page(tmp_path, 3), width) == {"inner": width, "scroll": width, "wide": [], "pairs": 3}


def _printed(width: int, **settings: Any) -> str:
    console = Console(width=width, **settings)
    with console.capture() as captured:
        console.print(render_terminal(PAIR, SPANS, SHIFTS))
    return captured.get()


def test_the_terminal_reads_without_color() -> None:
    plain = _printed(100, color_system=None)
    assert "K− = " in plain
    assert "≤ −" in plain
    (line,) = [line for line in plain.splitlines() if "script>alert" in line]
    assert "−" in line.split("</code>")[0]
    assert "return None■" in plain


def test_the_terminal_colors_tokens_and_underlines_the_region() -> None:
    colored = _printed(120, color_system="truecolor", force_terminal=True)
    assert re.search(r"\x1b\[[\d;]*48;2;", colored)
    underlined = "".join(re.findall(r"\x1b\[(?:4|4;[\d;]+)m([^\x1b]*)\x1b\[0m", colored))
    assert underlined == REJECTED[START : START + 9]
