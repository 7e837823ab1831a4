"""The paper's figures that this repository ships, against its tables (arXiv 2503.02783).

The tables are CSV files, one a table, in `shared/paper` beside the checkout or in the folder that `PAPER_TABLES` names.
"""

import csv
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from iterpref_core.errors import InputError
from iterpref_core.report.labels import PAPER_PASS_RATES, PAPER_SOLVED_BY_CALLS
from iterpref_core.report.paper_ablations import PaperFigure, describe_figures, paper_figures
from iterpref_core.report.supplied_results import PaperScore, load_paper_ablations, load_published
from tests.settings import ROOT

SHIPPED = ROOT / "report_data"
TABLES = Path(os.environ.get("PAPER_TABLES", ROOT.parent / "shared/paper"))
COLUMNS = {
    "HE": "humaneval",
    "HE+": "humaneval+",
    "M": "mbpp",
    "M+": "mbpp+",
    "BFC": "bigcodebench-full-complete",
    "BFI": "bigcodebench-full-instruct",
    "BHC": "bigcodebench-hard-complete",
    "BHI": "bigcodebench-hard-instruct",
    "LCB": "livecodebench",
    "HE(avg)": "mean of HumanEval and HumanEval+",
    "M(avg)": "mean of MBPP and MBPP+",
}
NAMES = {"DS-Coder-7B-Ins-v1.5": "deepseek-coder-7b-instruct-v1.5", "StarCoder2-15B": "starcoder2-15b"}
"""Models that a hub calls otherwise."""
QWEN, CODEQWEN = "Qwen2.5-Coder-7B", "CodeQwen1.5-7B-Chat"
GRIDS = yaml.safe_load((ROOT / "ablations.yaml").read_text(encoding="utf-8"))

Row = dict[str, str]
Table = Callable[[str], list[Row]]
HEADER = "grid,label,model,method,benchmark,pass_at_1,source\n"
GOOD = "beta,one,M,b,humaneval,0.5,table 1\n"


@pytest.fixture
def table() -> Table:
    """Reads one of the paper's tables: the rows of `table<name>.csv`."""
    if not TABLES.is_dir():
        pytest.skip("the paper's tables are not on this machine; PAPER_TABLES names their folder")

    def read(name: str) -> list[Row]:
        with (TABLES / f"table{name}.csv").open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    return read


def scores(row: Row) -> dict[str, float]:
    """Benchmark → pass@1 of a row of the paper's, a share of 1; a dash is no score."""
    return {
        name: round(float(row[key]) / 100, 6) for key, name in COLUMNS.items() if row.get(key, "-") not in ("", "-")
    }


def the(rows: list[Row], **cells: str) -> dict[str, float]:
    """The scores of the one row with these cells."""
    (found,) = (row for row in rows if all(row[name] == cell for name, cell in cells.items()))
    return scores(found)


def hub_name(model: str) -> str:
    return NAMES.get(model, model).lower()


def published() -> dict[tuple[str, str, str], dict[str, float]]:
    """(model without its owner, method, table) → benchmark → score, as `published.csv` has them."""
    found: dict[tuple[str, str, str], dict[str, float]] = {}
    for row in load_published(SHIPPED):
        paper, _, tables = row.source.partition(", ")
        assert paper == "arXiv 2503.02783"
        key = row.model.rpartition("/")[2].lower(), row.method, tables.replace("tables ", "").replace("table ", "")
        found.setdefault(key, {})[row.benchmark] = row.pass_at_1
    return found


def wanted(table: Table) -> Iterator[tuple[tuple[str, str, str], dict[str, float]]]:
    """What `published.csv` must have: tables 1 and 12 whole, SFT of 9 and 11, and the two sizes that only 13 has."""
    for number, name in (("1", "01-main"), ("12", "12-baselines")):
        for row in table(name):
            method = "base" if row["variant"] == "Ref" else row["variant"]
            yield (hub_name(row["model"]), method, number), scores(row)
    for row in table("09-sft"):
        if row["variant"] == "SFT":
            hard = the(table("11-bcb"), variant=f"{row['model']} SFT")
            yield (hub_name(row["model"]), "SFT", "9 and 11"), scores(row) | hard
    for row in table("13-size"):
        if row["model"] != QWEN:
            yield (hub_name(row["model"]), "Target-RPO", "13"), scores(row)


def test_published_scores_are_the_papers(table: Table) -> None:
    assert published() == dict(wanted(table))


def test_a_profile_of_the_paper_has_published_scores_beside_it() -> None:
    models = {model for model, _, _ in published()}
    students = {
        str(yaml.safe_load(path.read_text(encoding="utf-8")).get("model", {}).get("student", ""))
        for path in (ROOT / "profiles").glob("paper-*.yaml")
    } - {""}
    assert {student.rpartition("/")[2].lower() for student in students} <= models


def shipped(grid: str) -> dict[str, tuple[str, dict[str, float]]]:
    """Label → (model and number of the table, scores)."""
    figures = paper_figures(SHIPPED, grid, [row["label"] for row in GRIDS[grid]])
    return {
        label: (f"{figure.model}, {figure.source.removeprefix('arXiv 2503.02783, table ')}", figure.scores)
        for label, figure in figures.items()
    }


def only(scores: dict[str, float], like: dict[str, float]) -> dict[str, float]:
    return {name: scores[name] for name in like}


def test_figures_of_the_ablations_are_the_papers(table: Table) -> None:
    main, knobs, other = table("01-main"), table("14-15-beta-alpha"), table("19-21-other")
    masking, context, sizes = table("16-masking"), table("03-context"), table("13-size")
    seven, six = the(masking, variant="Ref"), the(sizes, model=QWEN)
    beta = {f"beta {beta}": (f"{QWEN}, 14", the(knobs, setting=f"beta {beta}")) for beta in ("0.1", "0.3", "0.5")}
    alpha = {f"alpha {alpha}": (f"{QWEN}, 15", the(knobs, setting=f"alpha {alpha}")) for alpha in ("1", "3", "5")}
    correct, incorrect = (the(table("04-sft"), variant=f"SFT {which}") for which in ("correct", "incorrect"))
    added = {name: the(context, variant="Target-DPO", augmentation=a, hybrid=h) for name, a, h in (
        ("Target-DPO", "no", "no"), ("Hybrid", "no", "yes"), ("Diff-Augmentation", "yes", "no")
    )}  # fmt: skip
    expected = {
        "beta": beta,
        "alpha": alpha | {"alpha infinite": (f"{QWEN}, 15", the(knobs, setting="alpha infinite (SFT)"))},
        "sft": {
            "SFT on chosen": (f"{QWEN}, 4", correct),
            "SFT on rejected": (f"{QWEN}, 4", incorrect),
            "Target-RPO": (f"{QWEN}, 2", the(table("02-epicoder"), variant="Target-DPO 59k")),
        },
        "masking": {
            "Target-RPO": (f"{QWEN}, 16", the(masking, variant="Target-RPO")),
            "RPO": (f"{QWEN}, 1", only(the(main, model=QWEN, variant="RPO"), seven)),
            "Hybrid": (f"{QWEN}, 16", the(masking, variant="Hybrid-RPO")),
            "Diff-Augmentation": (f"{QWEN}, 16", the(masking, variant="DiffAug-RPO")),
        },
        "masking-dpo": {name: (f"{CODEQWEN}, 3", of) for name, of in added.items()}
        | {"DPO": (f"{CODEQWEN}, 1", only(the(main, model=CODEQWEN, variant="DPO"), six))},
        "localizer": {
            "line LCS": (f"{QWEN}, 19", the(other, setting="LCS")),
            "prefix and suffix": (f"{QWEN}, 19", the(other, setting="prefix-suffix")),
        },
        "rejected": {name: (f"{QWEN}, 20", the(other, setting=name)) for name in ("random", "first", "last")},
        "source": {
            name.lower(): (f"{QWEN}, 7", the(table("07-source"), variant=name)) for name in ("Debugging", "Sampling")
        },
        "teacher": {
            "the debugger": (f"{QWEN}, 16", the(masking, variant="Target-RPO")),
            "a weaker debugger": ("model not named, 21", the(other, setting="DeepSeek-V3 Target")),
        },
        "size": {
            f"Target-RPO {ours}": (f"Qwen2.5-Coder-{theirs}, 13", the(sizes, model=f"Qwen2.5-Coder-{theirs}"))
            for ours, theirs in (("3.5M", "7B"), ("2M", "1.5B"), ("5M", "32B"))
        }
        | {"base 3.5M": (f"{QWEN}, 1", only(the(main, model=QWEN, variant="Ref"), six))},
    }
    assert expected.keys() == GRIDS.keys()
    assert {grid: shipped(grid) for grid in GRIDS} == expected
    labels = {(grid, row["label"]) for grid, rows in GRIDS.items() for row in rows}
    assert {(row.grid, row.label) for row in load_paper_ablations(SHIPPED)} <= labels


def test_tables_that_name_no_model_have_the_cells_of_the_one_named_here(table: Table) -> None:
    """Tables 4, 7, 14, 15, 19 and 20 repeat cells of tables 1 and 9, which name Qwen2.5-Coder-7B."""
    main, knobs, other = table("01-main"), table("14-15-beta-alpha"), table("19-21-other")
    target = the(main, model=QWEN, variant="Target-DPO")
    for row in (the(knobs, setting="beta 0.1"), the(other, setting="LCS"), the(other, setting="random")):
        assert row == only(target, row)
    base = the(table("07-source"), variant="Ref")
    assert base == only(the(main, model=QWEN, variant="Ref"), base)
    sft, target_rpo = (the(table("09-sft"), model=QWEN, variant=name) for name in ("SFT", "Target-RPO"))
    infinite, correct = the(knobs, setting="alpha infinite (SFT)"), the(table("04-sft"), variant="SFT correct")
    assert infinite == only(sft, infinite)
    full = ("bigcodebench-full-complete", "bigcodebench-full-instruct")
    assert [correct[name] for name in full] == [sft[name] for name in full]
    named_dpo = the(table("02-epicoder"), variant="Target-DPO 59k")
    assert [named_dpo[name] for name in full] == [target_rpo[name] for name in full], "table 2 calls it Target-DPO"


def test_calls_are_those_of_tables_5_and_6(table: Table) -> None:
    rows = table("05-06-calls")
    assert [(row["calls"], float(row["passed_percent"])) for row in rows] == [
        (calls, pytest.approx(100 * solved)) for _, _, calls, solved in PAPER_SOLVED_BY_CALLS
    ]
    assert [row["table"] == "5" for row in rows] == [which == "all" for _, which, _, _ in PAPER_SOLVED_BY_CALLS]
    assert PAPER_PASS_RATES[-1] == PAPER_SOLVED_BY_CALLS[0][-1], "table 5 has the end of figure 6"


def test_the_page_of_the_paper_quotes_its_tables(table: Table) -> None:
    text = " ".join((ROOT / "docs/paper.md").read_text(encoding="utf-8").split())
    variety = {row["dataset"]: row["average"] for row in table("17-diversity")}
    by_difficulty = {row["variant"]: [row[name] for name in ("easy", "medium", "hard")] for row in table("10-lcb")}
    errors = {row["exception"]: (row["RPO"], row["Target-RPO"]) for row in table("18-errors")}
    epicoder = {row["variant"]: row["avg"] for row in table("02-epicoder")}
    for quote in (
        f"{variety['CodeFlow (preferred)']} features of a category in CodeFlow, {variety['Evol-Alpaca']} in Evol",
        f"SFT {' / '.join(by_difficulty[f'{QWEN} SFT'])}, Target-RPO {' / '.join(by_difficulty[f'{QWEN} Target'])}",
        f"{errors['sum'][0]} exceptions of four types with RPO, {errors['sum'][1]} with Target-RPO",
        f"SFT on EpiCoder's 380k {epicoder['SFT EpiCoder 380k']}, on CodeFlow's 59k {epicoder['SFT CodeFlow 59k']}",
        f"Target-DPO on these {epicoder['Target-DPO 59k']}",
    ):
        assert quote in text


def test_figures_are_means_and_differences_to_the_first_row(tmp_path: Path) -> None:
    lines = [
        "beta,one,M,b,humaneval,0.5,table 1",
        "beta,one,M,b,mbpp,0.7,table 1",
        "beta,two,M,c,mbpp,0.8,table 1",
        "beta,two,M,c,humaneval,0.2,table 1",
        "alpha,one,M,c,humaneval,0.1,table 2",
    ]
    (tmp_path / "paper_ablations.csv").write_text(HEADER + "\n".join(lines) + "\n")
    figures = paper_figures(tmp_path, "beta", ["one", "two", "three"])
    assert list(figures) == ["one", "two"]
    assert (figures["one"].pass_at_1, figures["one"].difference) == (pytest.approx(0.6), None)
    assert (figures["two"].pass_at_1, figures["two"].difference) == (pytest.approx(0.5), pytest.approx(-0.1))
    assert paper_figures(tmp_path, "beta", ["three", "two"])["two"].difference is None, "it has nothing of the first"
    assert paper_figures(tmp_path, "own", ["one"]) == paper_figures(tmp_path / "absent", "beta", ["one"]) == {}


def test_what_is_compared_is_said() -> None:
    figure = PaperFigure(
        model="M",
        method="b",
        source="table 1",
        scores={"mbpp+": 0.5, "mean": 0.1},
        pass_at_1=0.3,
        difference=None,
    )
    said = describe_figures({"one": figure}, "nanolab, 400 problems of split validation")
    first, row = said.splitlines()
    assert re.match(r"Ours: nanolab, 400 problems of split validation\. The paper: mean pass@1 of MBPP\+, mean", first)
    assert row == "  one: M, b (table 1)"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (GOOD, r":3: beta, one on humaneval stands in line 2 already"),
        ("beta,one,M,c,mbpp,0.5,table 1\n", r":3: beta, one is of M, b, table 1 in an earlier line"),
        ("beta,one,M,b,mbpp,61.6,table 1\n", r":3: field 'pass_at_1': 61.6 is not a share of 1"),
        ("beta,two,M,b,mbpp,0.5,table 1\n", r": beta: two and one have different benchmarks"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "paper_ablations.csv").write_text(HEADER + GOOD + line)
    assert set(HEADER.strip().split(",")) == set(PaperScore.model_fields)
    with pytest.raises(InputError, match=rf"paper_ablations\.csv{message}"):
        paper_figures(tmp_path, "beta", ["one", "two"])
