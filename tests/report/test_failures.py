"""Kinds of failure as the page shows them."""

from types import SimpleNamespace

import pytest

from iterpref_core.report.failures import failure_kinds, failure_tables


@pytest.mark.parametrize(
    ("scores", "kinds"),
    [
        ({"errors": {"exception": 2, "timeout": 1}}, {"exception": 2, "timeout": 1}),
        (
            {"errors": {"exception": 2, "timeout": 1}, "exceptions": {"KeyError": 1, "NameError": 1}},
            {"KeyError": 1, "NameError": 1, "timeout": 1},
        ),
        # Two programs raised by themselves, one within a unit test, which is a wrong answer that names its exception.
        (
            {"errors": {"exception": 2, "wrong_answer": 3}, "exceptions": {"KeyError": 3}},
            {"KeyError": 3, "wrong_answer": 2},
        ),
        ({"errors": {"wrong_answer": 3}, "exceptions": {}}, {"wrong_answer": 3}),
    ],
)
def test_every_failure_is_of_one_kind(scores: dict[str, dict[str, int]], kinds: dict[str, int]) -> None:
    assert failure_kinds(scores) == kinds
    assert sum(kinds.values()) == sum(scores["errors"].values())


def test_failures_are_counted_for_every_benchmark_and_model(experiment: SimpleNamespace) -> None:
    main, humaneval, plus = failure_tables(experiment.summarize())
    assert (main["main"], humaneval["main"], plus["name"]) == (True, False, "HumanEval+")
    rows = {name: (samples, counts) for name, samples, counts, _ in main["rows"]}
    assert rows["base"] == (200, {"TypeError": 65, "wrong_answer": 65})
    assert rows["DPO"] == (200, {"TypeError": 80, "wrong_answer": 80})


def test_a_kind_of_failure_has_one_color_on_all_benchmarks_and_rare_ones_share_one(rich: SimpleNamespace) -> None:
    tables = failure_tables(rich.summarize())
    colors: dict[str, set[int]] = {}
    for table in tables:
        for kind, number in table["colored"]:
            colors.setdefault(kind, set()).add(number)
    assert all(len(numbers) == 1 for numbers in colors.values())
    assert len(colors) == 5
    for table in tables:
        for _, samples, counts, bar in table["rows"]:
            assert sum(width for _, _, width in bar) == pytest.approx(100 * sum(counts.values()) / samples, abs=0.01)
            assert [color for color, _, _ in bar] == sorted({color for color, _, _ in bar}), "each color once"
    assert {"AttributeError", "KeyError", "NameError", "FileNotFoundError"} <= set(tables[1]["kinds"])
