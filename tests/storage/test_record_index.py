"""Records by their id, wherever they are."""

import pytest

from iterpref_core.records import AssertTest, Problem
from iterpref_core.storage.record_index import RecordIndex


def test_records_are_found_by_their_id_as_they_were() -> None:
    problems = [
        Problem(task_id=name, prompt=f"Prompt of {name} 漢\n", entry_point="f", tests=(AssertTest(code="assert f()"),))
        for name in ("b", "a/1", "🙂", "a")
    ]
    index = RecordIndex(iter(problems), Problem)
    assert [index[problem.task_id] for problem in problems] == problems
    assert set(index) == {problem.task_id for problem in problems}
    assert (len(index), index.get("c"), "a/1" in index, "c" in index) == (4, None, True, False)
    with pytest.raises(KeyError, match="c"):
        index["c"]
