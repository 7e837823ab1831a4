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
