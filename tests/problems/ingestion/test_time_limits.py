"""A time limit that a set states is read, in whichever unit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iterpref_core.problems.ingestion.values import read_time_limit

SECONDS = st.decimals(min_value="0.1", max_value="99.9", places=3)
UNITS = {"": 1, "s": 1, " sec": 1, " Seconds ": 1, " second": 1, "ms": 1000, " milliseconds": 1000}


@pytest.mark.parametrize(
    ("stated", "seconds"),
    [("50 ms", 0.05), ("120 Seconds", 120), ("2 sec", 2), (-1, None), ("1000", 1), ("2000 milliseconds", 2), ("", None),
     (0, None), ({"seconds": "2"}, 2)],
)  # fmt: skip
def test_a_unit_says_more_than_the_size_of_a_number(stated, seconds):
    assert read_time_limit(stated) == seconds


@pytest.mark.parametrize(
    "stated", ["2 days", "2 m", "256 MB", "1.5 s (Python: 5 s)", "1-2 s", "1 s 500 ms", "00:00:02", "1,000 ms", [2]]
)
def test_what_is_no_number_of_seconds_or_milliseconds_is_refused(stated):
    with pytest.raises(ValueError, match="is not a time such as"):
        read_time_limit(stated)


@given(seconds=SECONDS, unit=st.sampled_from(sorted(UNITS)), number=st.booleans())
def test_every_limit_that_is_stated_is_read(seconds, unit, number):
    stated = float(seconds) if number else f"{seconds * UNITS[unit]:f}{unit}"
    assert read_time_limit(stated) == pytest.approx(float(seconds))


@given(nanos=st.integers(0, 999).map(lambda thousands: thousands * 10**6), whole=st.integers(0, 98))
def test_a_duration_of_two_fields_is_read_and_0_says_that_there_is_no_limit(nanos, whole):
    limit = read_time_limit({"seconds": whole, "nanos": nanos})
    assert (limit or 0) == pytest.approx(whole + nanos / 10**9)
    assert (limit is None) == (whole == nanos == 0)
