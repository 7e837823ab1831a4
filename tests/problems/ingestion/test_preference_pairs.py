"""Preference pairs by others' columns and shapes: programs come out of their answers, and can be localized."""

import pytest

from iterpref_core.pairs.ingestion.preference_pairs import ingest_pairs
from iterpref_core.pairs.localization.localization import localize_pairs
from iterpref_core.problems.ingestion.columns import parse_columns
from iterpref_core.problems.ingestion.intake import Wanted
from iterpref_core.records import ConfigError, LocalizationParams, PreferencePair
from iterpref_core.storage.jsonl import read_jsonl
from tests.settings import section
from tests.texts import marked, written

CHOSEN = "def f(x):\n    return x + 1\n"
REJECTED = "def f(x):\n    return x\n"
PAIR = {"prompt": "Add one.", "chosen": f"So:\n```python\n{CHOSEN}```\nDone.", "rejected": f"```python\n{REJECTED}```"}


def test_programs_come_out_of_their_fences_and_can_be_localized(tmp_path):
    out, spans = tmp_path / "pairs.jsonl", tmp_path / "focal.jsonl"
    ingest_pairs(Wanted([written(tmp_path / "in.json", PAIR)]), out)
    focal = section(LocalizationParams, method="line_lcs", empty="anchor", widen_lines=0)
    assert localize_pairs(out, focal, spans).pairs == 1
    assert marked(REJECTED, next(read_jsonl(spans, PreferencePair)).rejected_spans) == ["    return x"]


def test_a_row_that_is_left_out_says_why_in_words(tmp_path):
    rows = [PAIR | {"chosen": "print(1)", "rejected": text} for text in ("print(1)", "No.")]
    source = written(tmp_path / "in.jsonl", PAIR, *rows)
    found = ingest_pairs(Wanted([source]), tmp_path / "out.jsonl").dropped
    assert [(row.reason, row.explanation) for row in found] == [
        ("same_program", "both programs are the same but for line ends and blanks at the end"),
        ("no_code", "an answer has no Python program: it is prose, data or another language"),
    ]


SCORED = {"score_chosen": "4", "score_rejected": 3}, {"score_chosen": 3.5, "score_rejected": "4"}
OTHERS = {"length_chosen": 1, "length_rejected": 2}, {"a_rating": None, "b_rating": 2, "rating": [1, 2], "score": 0}


@pytest.mark.parametrize(
    ("rows", "columns", "below"),
    [
        (
            SCORED,
            None,
            "score_chosen is below score_rejected in 1 of 2 pairs. If higher is better, turn these pairs around with ",
        ),
        (SCORED, "winner=first-second:score_chosen+score_rejected", None),
        (SCORED, "winner=", None),
        (OTHERS, None, None),
        (
            [{"ratingA": 1, "a-rating": 1, "b-rating": 2, "a": "x = 1", "b": "x = 2"}],
            "chosen=a,rejected=b",
            "a-rating is below b-rating in 1 of 1 pairs",
        ),
    ],
)
def test_scores_that_contradict_the_order_are_counted(tmp_path, rows, columns, below):
    source = written(tmp_path / "in.jsonl", *(PAIR | row for row in rows))
    found = ingest_pairs(Wanted([source]), tmp_path / "out.jsonl", columns=columns).findings
    assert ([text.startswith(below) for text in found] == [True]) if below else found == ()


@pytest.mark.parametrize(
    "text",
    [
        "prompt",
        "prompt=",
        "question=prompt",
        "prompt=a,prompt=b",
        "prompt=a+",
        "prompt=a,,chosen=b",
        "",
        "chosen?=a",
        "winner=w",
    ],
)
def test_columns_that_cannot_be_understood_are_refused(text):
    with pytest.raises(ConfigError, match="columns"):
        parse_columns(text)
