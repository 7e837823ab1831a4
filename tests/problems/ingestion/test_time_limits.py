"""A time limit that a set states is read, in whichever unit."""

import pytest

from iterpref_core.problems.ingestion.values import read_time_limit


@pytest.mark.parametrize(
    ("stated", "seconds"),
    [("50 ms", 0.05), ("120 Seconds", 120), ("2 sec", 2), (-1, None), ("1000", 1), ("2000 milliseconds", 2), ("", None),
     (0, None), ({"seconds": "2"}, 2), ({"seconds": 0, "nanos": 0}, None), ({"nanos": 5 * 10**8}, 0.5), (99.9, 99.9)],
)  # fmt: skip
def test_a_unit_says_more_than_the_size_of_a_number(stated, seconds):
    assert read_time_limit(stated) == seconds


@pytest.mark.parametrize(
    "stated", ["2 days", "2 m", "256 MB", "1.5 s (Python: 5 s)", "1-2 s", "1 s 500 ms", "00:00:02", "1,000 ms", [2]]
)
def test_what_is_no_number_of_seconds_or_milliseconds_is_refused(stated):
    with pytest.raises(ValueError, match="is not a time such as"):
        read_time_limit(stated)
