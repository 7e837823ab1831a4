"""Tokens as colors: nothing of the text is lost, and tokens may straddle anything."""

import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest
from rich.console import Console

from iterpref_core.evaluation.inspection.pair_terminal import render_terminal
from iterpref_core.evaluation.report.pair_view import write_html
from iterpref_core.evaluation.report.program_lines import cut_lines
from iterpref_core.records import FocalSpans, PairShifts, PreferencePair, TokenShift

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
def test_the_pieces_are_the_text_and_each_has_the_change_of_its_tokens(text: str, seed: int) -> None:
    tokens = tokens_of(text, seed)
    random = Random(seed)
    start, end = sorted(random.choices(range(len(text) + 1), k=2))
    lines = cut_lines(text, [(start, end)], tokens)
    rebuilt = "".join(piece.text for line in lines for piece in line.pieces)
    assert rebuilt == re.sub(r"[\r\n]", "", text)
    marked = "".join(p.text for line in lines for p in line.pieces if p.marked)
    assert marked == re.sub(r"[\r\n]", "", text[start:end])
    places = [place for place, character in enumerate(text) if character not in "\r\n"]
    for line in lines:
        for piece in line.pieces:
            place = places[: len(piece.text)][0]
            del places[: len(piece.text)]
            held = [token.change for token in tokens if token.start <= place < token.end]
            assert piece.change == pytest.approx(sum(held))
    assert [line.number for line in lines] == list(range(1, len(lines) + 1))


CHOSEN, REJECTED = AWKWARD, AWKWARD.replace("x = 1", "</code><script>alert(1)</script>")
PAIR = PreferencePair(task_id="t/1", prompt="p", chosen=CHOSEN, rejected=REJECTED)
SHIFTS = PairShifts(task_id="t/1", chosen=tuple(tokens_of(CHOSEN, 1)), rejected=tuple(tokens_of(REJECTED, 2)))
START = REJECTED.index("</code>")
SPANS = FocalSpans(task_id="t/1", method="token", rejected=((START, START + 9),), chosen=())


@pytest.mark.parametrize("width", [390, 1280])
def test_the_colored_page_fits_its_window(tmp_path: Path, browse: Callable[[str, int], Any], width: int) -> None:
    pairs = [PAIR.model_copy(update={"task_id": name}) for name in "abc"]
    write_html(pairs, dict.fromkeys("abc", SPANS), tmp_path / "pairs.html", dict.fromkeys("abc", SHIFTS))
    page = (tmp_path / "pairs.html").read_text(encoding="utf-8")
    assert browse(page, width) == {"inner": width, "scroll": width, "wide": [], "pairs": 3}


@pytest.mark.parametrize("color", [None, "truecolor"])
def test_the_terminal_shows_changes_and_region_with_and_without_color(color: Any) -> None:
    console = Console(width=120, color_system=color, force_terminal=bool(color))
    with console.capture() as captured:
        console.print(render_terminal(PAIR, SPANS, SHIFTS))
    printed = captured.get()
    plain = re.sub(r"\x1b\[[\d;]*m", "", printed)
    assert "K− = " in plain
    assert "≤ −" in plain
    (line,) = [line for line in plain.splitlines() if "script>alert" in line]
    assert "−" in line.split("</code>")[0]
    if color:
        underlined = "".join(re.findall(r"\x1b\[(?:4|4;[\d;]+)m([^\x1b]*)\x1b\[0m", printed))
        assert underlined == REJECTED[START : START + 9]
