"""A human's marks: exported, read back strictly, and compared with a judge's scores."""

import csv
from pathlib import Path

import pytest

from iterpref_core.errors import InputError
from iterpref_core.records import IoTest, Problem
from iterpref_core.storage.jsonl import write_jsonl
from iterpref_core.validity.human_review import COLUMNS, agreement, export_review, read_marks, summarize_marks
from iterpref_core.validity.test_judge import JudgedTests, Scores

HOSTILE = '=HYPERLINK("http://127.0.0.1")'


@pytest.fixture
def problems(tmp_path: Path) -> Path:
    path = tmp_path / "problems.jsonl"
    tests = (IoTest(call='f("a,b;c")', expected="'ü'"),)
    texts = [f'Line 1, "quoted".\nLine {n}' for n in range(6)]
    every = [Problem(task_id=f"p/{n}", prompt=text, entry_point="f", tests=tests) for n, text in enumerate(texts)]
    write_jsonl(path, [*every, Problem(task_id="=p", prompt=HOSTILE, entry_point="f", tests=tests)])
    return path


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def mark(path: Path, marks: dict[str, tuple[object, object, object]], delimiter: str = ",") -> None:
    """What a human and a spreadsheet do."""
    rows = rows_of(path)
    for row in rows:
        given = marks.get(row["task_id"].removeprefix("'"), ("", "", ""))
        row.update(zip(("accuracy", "effectiveness", "reasonableness"), map(str, given), strict=True))
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.DictWriter(file, COLUMNS, delimiter=delimiter)
        out.writeheader()
        out.writerows(rows)


def test_a_review_has_the_whole_problem_and_empty_columns_for_marks(problems: Path, tmp_path: Path) -> None:
    out = tmp_path / "review.csv"
    drawn = export_review(problems, out, sample=4, seed=3)
    rows = rows_of(out)
    assert len(rows) == len(drawn) == 4
    for row, problem in zip(rows, drawn, strict=True):
        assert tuple(row) == COLUMNS
        assert row["prompt"].removeprefix("'") == problem.prompt
        assert row["tests"] == "assert f(\"a,b;c\") == 'ü'"
        assert row["accuracy"] == row["effectiveness"] == row["reasonableness"] == row["note"] == ""
    assert out.read_bytes().startswith(b"\xef\xbb\xbf"), "else a spreadsheet takes ü for two characters"


def test_no_text_is_a_formula_to_a_spreadsheet(problems: Path, tmp_path: Path) -> None:
    out = tmp_path / "review.csv"
    export_review(problems, out, sample=10, seed=3)
    (row,) = (row for row in rows_of(out) if row["prompt"].endswith(HOSTILE))
    assert (row["prompt"], row["task_id"]) == ("'" + HOSTILE, "'=p")
    assert "=p" in read_marks(out).unmarked


def test_marks_are_never_overwritten(problems: Path, tmp_path: Path) -> None:
    out = tmp_path / "review.csv"
    export_review(problems, out, sample=4, seed=3)
    with pytest.raises(InputError, match="may hold marks"):
        export_review(problems, out, sample=4, seed=3)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_marks_come_back_as_they_were_given_whatever_parts_the_columns(
    problems: Path, tmp_path: Path, delimiter: str
) -> None:
    out = tmp_path / "review.csv"
    export_review(problems, out, sample=7, seed=3)
    mark(out, {"p/1": (5, 4, 3), "=p": (1, 1, " 2 ")}, delimiter)
    marks = read_marks(out)
    assert marks.by_task == {
        "p/1": {"accuracy": 5, "effectiveness": 4, "reasonableness": 3},
        "=p": {"accuracy": 1, "effectiveness": 1, "reasonableness": 2},
    }
    assert len(marks.unmarked) == 5
    found = summarize_marks(marks)
    assert (found["marked"], found["unmarked"], found["accuracy/mean"], found["reasonableness/3"]) == (2, 5, 3, 1)


@pytest.mark.parametrize("bad", ["6", "0", "4.0", "good", "-1", "５"])
def test_a_bad_mark_is_named_with_its_line_and_field(tmp_path: Path, bad: str) -> None:
    path = tmp_path / "review.csv"
    head = "task_id,prompt,accuracy,effectiveness,reasonableness\n"
    path.write_text(f'{head}a,"one\ntwo",5,5,5\nb,"three\nfour",5,{bad},5\n', encoding="utf-8")
    with pytest.raises(InputError, match=rf"review\.csv:4 \(b\): field 'effectiveness': '{bad}' is no mark") as caught:
        read_marks(path)
    assert "write a whole number from 1 to 5" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("task_id,accuracy,effectiveness,reasonableness\na,5,,5\n", r":2 \(a\): field 'effectiveness': the row has"),
        ("task_id,accuracy,effectiveness,reasonableness\na,5\n", r":2 \(a\): field 'effectiveness': the row has"),
        ("task_id,accuracy,effectiveness,reasonableness\na,,,\na,,,\n", r":3: field 'task_id': 'a' stands there twice"),
        ("task_id,accuracy,effectiveness,reasonableness\n,1,1,1\n", r":2: field 'task_id': is empty"),
        ("task_id,accuracy,reasonableness\na,1,1\n", r":1: column 'effectiveness' is missing"),
        ("", r":1: column 'task_id' is missing"),
        ('task_id,accuracy,effectiveness,reasonableness\na,"1,1,1\n', r":2: not CSV"),
    ],
)
def test_a_broken_table_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "review.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"review\.csv" + message):
        read_marks(path)


def test_a_table_that_is_absent_or_not_utf_8_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_marks(tmp_path / "absent.csv")
    path = tmp_path / "review.csv"
    path.write_bytes("task_id;ü".encode("utf-16"))
    with pytest.raises(InputError, match="UTF-8"):
        read_marks(path)


def test_agreement_has_the_values_worked_out_by_hand() -> None:
    """Cohen's kappa with weights (i-j)²: 1 - sum of observed weights / sum of those expected from the margins.

    Observed: distances 0, 0, 1, 2, so (0+0+1+4)/4 = 5/4. Expected: every pairing of [1, 5, 3, 4] with [1, 5, 4, 2]:
    (0+16+9+1 + 16+0+1+9 + 4+4+1+1 + 9+1+0+4)/16 = 76/16. Kappa = 1 - (5/4)/(76/16) = 14/19.
    """
    found = agreement([1, 5, 3, 4], [1, 5, 4, 2])
    assert (found.exact, found.near) == (0.5, 0.75)
    assert found.kappa == pytest.approx(14 / 19)


def test_kappa_is_undefined_where_both_gave_one_score_to_all_and_zero_where_one_did() -> None:
    assert agreement([5, 5], [5, 5]).kappa is None
    assert agreement([5, 5, 5, 5], [1, 5, 4, 2]).kappa == 0


def test_marks_are_compared_with_the_judge_on_the_problems_that_both_judged(tmp_path: Path) -> None:
    path, scores = tmp_path / "review.csv", tmp_path / "scores.jsonl"
    head = "task_id,accuracy,effectiveness,reasonableness\n"
    path.write_text(head + "a,1,2,5\nb,5,2,5\nc,3,3,5\nd,4,4,5\ne,,,\nf,1,1,1\n", encoding="utf-8")
    judged = {"a": (1, 2, 5), "b": (5, 3, 5), "c": (4, 3, 5), "d": (2, 4, 5), "e": (1, 1, 1)}
    records = [
        JudgedTests(task_id=name, judge=Scores(accuracy=a, effectiveness=e, reasonableness=r, reason="."))
        for name, (a, e, r) in judged.items()
    ]
    write_jsonl(scores, [*records, JudgedTests(task_id="f")])
    found = summarize_marks(read_marks(path), scores)
    assert (found["marked"], found["unmarked"], found["compared"]) == (5, 1, 4)
    assert found["accuracy/kappa"] == pytest.approx(14 / 19)
    assert (found["accuracy/exact"], found["effectiveness/exact"], found["effectiveness/near"]) == (0.5, 0.75, 1)
    assert (found["reasonableness/exact"], found["reasonableness/kappa"]) == (1, None)


def test_scores_of_other_problems_are_refused(tmp_path: Path) -> None:
    path, scores = tmp_path / "review.csv", tmp_path / "scores.jsonl"
    path.write_text("task_id,accuracy,effectiveness,reasonableness\na,1,2,5\n", encoding="utf-8")
    write_jsonl(scores, [JudgedTests(task_id="a")])
    with pytest.raises(InputError, match="of no problem that is marked"):
        summarize_marks(read_marks(path), scores)
