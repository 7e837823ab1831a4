"""Kinds of failure as the page shows them."""

from iterpref_core.report.failures import failure_kinds


def test_what_a_unit_test_raised_is_a_wrong_answer_that_names_its_exception() -> None:
    assert failure_kinds({"errors": {"exception": 2, "timeout": 1}}) == {"exception": 2, "timeout": 1}
    scores = {"errors": {"exception": 2, "wrong_answer": 3, "timeout": 1}, "exceptions": {"KeyError": 3}}
    assert failure_kinds(scores) == {"KeyError": 3, "wrong_answer": 2, "timeout": 1}
