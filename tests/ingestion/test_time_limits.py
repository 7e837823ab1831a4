"""A time limit that a set states is kept, and one that is not understood is counted; no row is lost."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iterpref_core.problems.ingestion.ingest import ingest
from iterpref_core.problems.ingestion.intake import Source
from iterpref_core.problems.ingestion.problems.selection import Selection
from iterpref_core.problems.ingestion.values import read_time_limit
from tests.ingestion.published_rows import ROWS
from tests.settings import EXECUTION
from tests.texts import written

SECONDS = st.decimals(min_value="0.001", max_value=100, places=3)
UNITS = {"": 1, "s": 1, " sec": 1, " Seconds ": 1, " second": 1, "ms": 1000, " milliseconds": 1000}


@given(seconds=SECONDS, unit=st.sampled_from(sorted(UNITS)), number=st.booleans())
def test_every_limit_that_is_stated_is_read(seconds: Any, unit: str, number: bool) -> None:
    stated = float(seconds) if number else f"{seconds * UNITS[unit]:f}{unit}"
    assert read_time_limit(stated) == pytest.approx(float(seconds))


@given(nanos=st.integers(0, 10**10), whole=st.integers(0, 100))
def test_a_duration_of_two_fields_is_read_and_0_says_that_there_is_no_limit(nanos: int, whole: int) -> None:
    limit = read_time_limit({"seconds": whole, "nanos": nanos})
    assert (limit or 0) == pytest.approx(whole + nanos / 10**9)
    assert (limit is None) == (whole == nanos == 0)


ODD: list[Any] = [-1, float("inf"), "-2 seconds", "2 minutes", "1,5 s", "2 s or so", "?", [2], {"seconds": -2}]


@pytest.mark.parametrize("form", ["taco", "codeforces", "code_contests"])
def test_a_limit_that_is_not_understood_is_counted_and_its_problem_kept(tmp_path: Path, form: str) -> None:
    rows = [ROWS[form].row | {"time_limit": value} for value in [*ODD, None, "", float("nan"), "1.5 s"]]
    source = written(tmp_path / "in.jsonl", *rows)
    found = ingest(Source([source]), form, tmp_path / "out.jsonl", EXECUTION, Selection(), tmp_path / "store.sqlite")
    assert found.counts["problems"] == len(rows)
    assert found.counts["time_limits_left_out/not_understood"] == len(ODD)
