"""Name and order models and benchmarks, wherever they are shown; and the paper's numbers."""

from collections.abc import Collection, Iterable

from iterpref_core.records import BENCHMARKS, OBJECTIVES

MODELS = {
    "base": "base",
    **{name: row.title for name, row in OBJECTIVES.items()},
    "debugger": "debugger",
}
"""Every model there can be, in the order of the results table."""

DIFFICULTIES = ("easy", "medium", "hard")
"""LiveCodeBench's difficulties, in the order of the paper's table 10."""

MAIN_BENCHMARK = "heldout"
"""The benchmark that answers the experiment's question; the headline and the comparisons are about it."""

FOCAL = {name for name, row in OBJECTIVES.items() if row.focal}
"""The paper's method; its rows are highlighted."""

BASELINES = tuple(name for name, row in OBJECTIVES.items() if not row.regional)
"""Objectives without error regions. A focal objective has to beat the best of them."""

COUNTERPARTS = {name: row.counterpart for name, row in OBJECTIVES.items() if row.counterpart}
"""Each focal objective, and the same objective over the whole rejected program: the paper's comparison."""

PAPER_COVERAGE = 0.786
"""Mean share of lines that the tests reach (arXiv 2503.02783, equation 9)."""


def model_name(model: str) -> str:
    """Return a model's name for readers, or its own name if this module does not know the model."""
    return MODELS.get(model, model)


def benchmark_name(benchmark: str) -> str:
    """Return a benchmark's name for readers."""
    return BENCHMARKS[benchmark].label if benchmark in BENCHMARKS else benchmark


def in_words(name: str) -> str:
    """Return the name of a reason or a verdict for readers.

    >>> in_words("fails_hidden_tests"), in_words("truncated")
    ('fails hidden tests', 'cut off at the limit')
    """
    if name == "truncated":
        return "cut off at the limit"
    return name.replace("_", " ")


def in_order(names: Collection[str], known: Iterable[str]) -> list[str]:
    """Return the known names in the known order, then the others by alphabet.

    >>> in_order({"mine", "dpo", "base"}, MODELS)
    ['base', 'dpo', 'mine']
    """
    return [name for name in known if name in names] + sorted({*names} - {*known})
