"""The explorer's data and its page as text: which trajectories are shown, how small they are, and that nothing of them
can be anything but text."""

import base64
import doctest
import hashlib
import html
import json
import re
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iterpref_core.errors import InputError
from iterpref_core.records import Attempt, FocalSpans, PairShifts, PreferencePair, TokenShift, Trajectory, Verdict
from iterpref_core.report import explorer_data
from iterpref_core.report.explorer_data import embed, line_edits, outcome, pair_entry, survey_outcomes
from iterpref_core.report.explorer_page import Explored, Selection, write_explorer
from iterpref_core.storage.jsonl import write_jsonl
from tests.report.conftest import HOSTILE


def attempt(verdict: Verdict = "wrong_answer", hidden: Verdict | None = None, number: int = 0, **more: Any) -> Attempt:
    own = {"code": f"def f():\n    return {number}\n", "feedback": f"f() returned {number}", "completion_tokens": 1}
    return Attempt(iteration=number, verdict=verdict, hidden=hidden, prompt_tokens=1, **(own | more))


def trajectory(task_id: str, *attempts: Attempt) -> Trajectory:
    return Trajectory(task_id=task_id, solved=attempts[-1].verdict == "passed", attempts=attempts)


def data_of(page: Path) -> Any:
    text = page.read_text(encoding="utf-8")
    return json.loads(text.partition('<script type="application/json" id="data">')[2].partition("</script>")[0])


def explored(experiment: SimpleNamespace, trajectories: Path | None, **more: Any) -> Explored:
    own = {"problems": None, "pairs": None, "spans": None, "results": None, "params": experiment.params}
    return Explored(trajectories=trajectories, **(own | more))


def test_examples() -> None:
    assert doctest.testmod(explorer_data).failed == 0


@pytest.mark.parametrize(
    ("attempts", "paired", "expected"),
    [
        ([attempt(), attempt("passed", number=1)], True, "pair"),
        ([attempt(), attempt("passed", number=1)], False, "dropped"),
        ([attempt("passed")], False, "solved_by_draft"),
        ([attempt("infra_error"), attempt("passed", number=1)], False, "solved_by_draft"),
        ([attempt(), attempt("passed", "timeout", 1)], False, "fails_hidden_tests"),
        ([attempt("passed", "passed"), attempt("passed", "timeout", 1)], False, "solved_by_draft"),
        ([attempt(), attempt("infra_error", number=1)], False, "unsolved"),
    ],
)
def test_outcomes_are_told_as_stage_pairs_decides_them(attempts: list[Attempt], paired: bool, expected: str) -> None:
    assert outcome(trajectory("t", *attempts), paired) == expected


LINES = st.lists(st.sampled_from(["a", "b", "", "    c"]), max_size=12)


@given(LINES, LINES)
def test_edits_make_one_program_of_the_other(before: list[str], after: list[str]) -> None:
    place, made = 0, []
    for edit in line_edits(before, after):
        if isinstance(edit, str):
            made.append(edit)
        else:
            made += before[place : place + edit] if edit > 0 else []
            place += abs(edit)
    assert made == after
    assert place == len(before)


@given(st.text(st.characters(codec=None)))
def test_embedded_text_comes_back_as_it_was_and_ends_no_element(text: str) -> None:
    found = embed({"text": text})
    assert "<" not in found
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]", found)
    decoded = json.loads(found)["text"]
    assert decoded.encode("utf-16", "surrogatepass") == text.encode("utf-16", "surrogatepass")
    found.encode("utf-8")


def test_rare_outcomes_come_early_and_the_order_of_the_file_does_not_matter(tmp_path: Path) -> None:
    common = [trajectory(f"c/{n}", attempt(), attempt("passed", number=1)) for n in range(300)]
    rare = [trajectory("r/1", attempt("timeout")), trajectory("r/2", attempt("crash"), attempt("passed", number=1))]
    write_jsonl(tmp_path / "one", [*common, *rare])
    write_jsonl(tmp_path / "other", [*rare, *reversed(common)])
    totals, order = survey_outcomes(tmp_path / "one", {"c/1"})
    assert totals == {"pair": 1, "dropped": 300, "unsolved": 1}
    assert {task_id for task_id, _ in order[:4]} > {"r/1", "r/2", "c/1"}
    assert survey_outcomes(tmp_path / "other", {"c/1"}) == (totals, order)
    assert len(order) == 302


def test_five_hundred_trajectories_take_five_megabytes_and_fewer_are_shown_before_it_is_more(
    rich: SimpleNamespace, tmp_path: Path
) -> None:
    line = "    total += value * {} # what is done with each of the values of the table, in turn\n"
    body = [line.format(n) for n in range(24)]
    usual = [
        attempt(code="".join([*body[:20], line.format(-n), *body[21:]]), feedback="x" * 500, number=n) for n in range(6)
    ]
    huge = [attempt(code=f"x = '{n}" + "é\u202e" * 3000, feedback="é" * 2000, number=n) for n in range(6)]
    for attempts, number in ((usual, 500), (huge, None)):
        write_jsonl(tmp_path / "trajectories", (trajectory(f"t/{n}", *attempts) for n in range(600)))
        files = explored(rich, tmp_path / "trajectories", results=rich.results, problems=rich.problems)
        assert write_explorer(files, tmp_path / "explorer.html") == 1
        assert (tmp_path / "explorer.html").stat().st_size < 5_000_000
        shown = data_of(tmp_path / "explorer.html")["trajectories"]
        assert number in {len(shown), None}
        assert 10 < len(shown) <= 500
        assert f"{len(shown)} of 600 trajectories, sampled so that" in (tmp_path / "explorer.html").read_text("utf-8")


def test_with_every_each_trajectory_stands_on_one_page_and_pages_lead_to_each_other(
    experiment: SimpleNamespace, tmp_path: Path
) -> None:
    write_jsonl(tmp_path / "in", (trajectory(f"t/{n}", attempt(number=0)) for n in range(25)))
    out = tmp_path / "a page.html"
    assert write_explorer(explored(experiment, tmp_path / "in"), out, Selection(count=10, every=True)) == 3
    pages = [out, tmp_path / "a page-2.html", tmp_path / "a page-3.html"]
    shown = [[item["id"] for item in data_of(page)["trajectories"]] for page in pages]
    assert [len(ids) for ids in shown] == [10, 10, 5]
    assert [task_id for ids in shown for task_id in ids] == [f"t/{n}" for n in range(25)]
    links = [re.findall(r'href="([^"#]+html)"', page.read_text("utf-8")) for page in pages]
    assert links[0] == ["a%20page-2.html"]
    assert links[1] == ["a%20page.html", "a%20page.html", "a%20page-3.html"]
    assert links[2] == ["a%20page.html", "a%20page-2.html"]


def test_trajectories_that_are_asked_for_are_shown_and_absent_ones_named(
    experiment: SimpleNamespace, tmp_path: Path
) -> None:
    records = [trajectory(f"t/{n}", attempt("passed" if n < 3 else "timeout")) for n in range(9)]
    write_jsonl(tmp_path / "in", records)
    files, out = explored(experiment, tmp_path / "in"), tmp_path / "out.html"
    write_explorer(files, out, Selection(task_ids=["t/1", "t/8"]))
    assert {item["id"] for item in data_of(out)["trajectories"]} == {"t/1", "t/8"}
    assert "2 of 2 trajectories that were asked for, of 9 in all." in out.read_text("utf-8")
    write_explorer(files, out, Selection(outcomes=["solved_by_draft"]))
    assert Counter(item["outcome"] for item in data_of(out)["trajectories"]) == {"solved_by_draft": 3}
    out.unlink()
    for choice, message in (
        (Selection(task_ids=["t/99"]), "no trajectory with task_id 't/99'"),
        (Selection(outcomes=["pair"]), r"no trajectory has this outcome \(pair\)"),
    ):
        with pytest.raises(InputError, match=message):
            write_explorer(files, out, choice)
    assert not out.exists()


def test_the_policy_allows_this_script_and_style_alone_and_the_rest_is_data(
    experiment: SimpleNamespace, tmp_path: Path
) -> None:
    write_jsonl(tmp_path / "in", [trajectory(HOSTILE, attempt(code=f"</script>{HOSTILE}<!--", feedback=HOSTILE))])
    write_explorer(explored(experiment, tmp_path / "in"), tmp_path / "out.html", report="index.html")
    page = (tmp_path / "out.html").read_text(encoding="utf-8")
    policy = html.unescape(re.findall(r'Content-Security-Policy" content="([^"]+)"', page)[0])
    for tag, directive in (("script", "script-src"), ("style", "style-src")):
        (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    assert page.count("<script") == 2
    assert page.count("</script>") == 2
    assert "owned" not in page.partition('id="data"')[0]
    assert data_of(tmp_path / "out.html")["trajectories"][0]["id"] == HOSTILE
    script = page.rpartition("<script>")[2]
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|new Function|fetch\(", script)


def test_report_and_explorer_lead_to_each_other(rich: SimpleNamespace, tmp_path: Path) -> None:
    out = tmp_path / "reports"
    write_jsonl(tmp_path / "trajectories", [trajectory("codeflow/3", attempt(), attempt("passed", number=1))])
    rich.build(out, trajectories=tmp_path / "trajectories")
    assert 'href="explorer.html"' in (out / "index.html").read_text("utf-8")
    assert 'href="index.html"' in (out / "explorer.html").read_text("utf-8")
    (shown,) = data_of(out / "explorer.html")["trajectories"]
    assert shown["outcome"] == "pair"
    assert shown["prompt"] == f"Sum the squares. {HOSTILE}", "of the pair, where its problem is not there"
    assert [line[0] for line in shown["pair"]["rejected"]] == [0, 0, 0, 1, 0]
    rich.build(out, trajectories=tmp_path / "absent")
    assert data_of(out / "explorer.html")["trajectories"] == []
    assert "There are no trajectories here." in (out / "explorer.html").read_text("utf-8")


def test_what_is_long_is_cut_and_says_so(experiment: SimpleNamespace, tmp_path: Path) -> None:
    line = "x" * 10_000_000
    write_jsonl(tmp_path / "in", [trajectory("t", attempt(code=line, feedback=line), attempt("passed", number=1))])
    pair = PreferencePair(task_id="t", prompt=line, chosen="pass", rejected=line)
    write_jsonl(tmp_path / "pairs", [pair])
    spans = FocalSpans(task_id="t", method="line_lcs", rejected=((0, 10_000_000),), chosen=())
    write_jsonl(tmp_path / "spans", [spans])
    files = explored(experiment, tmp_path / "in", pairs=tmp_path / "pairs", spans=tmp_path / "spans")
    write_explorer(files, tmp_path / "out.html")
    assert (tmp_path / "out.html").stat().st_size < 200_000
    (shown,) = data_of(tmp_path / "out.html")["trajectories"]
    assert shown["attempts"][0]["edits"] == ["x" * 6000, "… 9,994,000 characters more"]
    assert shown["prompt"].endswith("characters more")
    assert shown["pair"]["rejected"][1] == [1, [["… 9,994,000 characters more", 1]]]


def test_a_pair_has_the_colors_of_its_tokens_only_where_they_are_known_whole() -> None:
    pair = PreferencePair(task_id="t", prompt="p", chosen="a = 1\n", rejected="a = 2\n")
    spans = FocalSpans(task_id="t", method="line_lcs", rejected=((4, 5),), chosen=((4, 5),))
    tokens = TokenShift(start=0, end=4, before=-1, after=-1), TokenShift(start=4, end=5, before=-1, after=-3)
    shifts = PairShifts(task_id="t", chosen=tokens, rejected=tokens)
    entry = pair_entry(pair, spans, shifts, 2.0)
    (line,) = entry["rejected"]
    assert line == [1, [["a = ", 0, 0, -1, -1, 1, 0, 1], ["2", 1, -4, -1, -3, 1, 0, 1]], -2]
    assert entry["sums"]["region"] == "−2.00"
    assert pair_entry(pair, spans, None, 2.0)["rejected"] == [[1, ["a = ", ["2", 1]]]]
    assert pair_entry(pair, None, None, 2.0)["rejected"] == [[0, ["a = 2"]]]
    long = pair.model_copy(update={"rejected": "a = 2\n" * 2000})
    assert "sums" not in pair_entry(long, spans, shifts, 2.0)


def test_answers_are_those_that_were_judged_and_programs_stand_once(rich: SimpleNamespace, tmp_path: Path) -> None:
    write_explorer(
        explored(rich, None, results=rich.results, problems=rich.problems),
        tmp_path / "out.html",
    )
    data = data_of(tmp_path / "out.html")
    assert data["benchmark"] == "held-out"
    assert data["second"] == "target-rpo"
    assert len(data["tasks"]) == 200
    patterns = {tuple(item["answers"][model][1] for model in data["models"]) for item in data["tasks"]}
    assert len(patterns) > 3
    for item in data["tasks"]:
        assert item["prompt"] == f"Do it. {HOSTILE}"
        for model, (place, verdict, _) in item["answers"].items():
            assert item["programs"][place].startswith(f"# {model}, heldout")
            assert (verdict == "passed") == (int(item["id"][-4:]) < rich.passed[model])
        assert all(found == [[0], [0]] for found in item["differing"].values()), "only the first line differs"


def test_where_samples_are_gone_answers_have_verdicts_alone(rich: SimpleNamespace, tmp_path: Path) -> None:
    (rich.results / "sft/samples/heldout.jsonl").unlink()
    write_explorer(explored(rich, None, results=rich.results), tmp_path / "out.html")
    for item in data_of(tmp_path / "out.html")["tasks"]:
        assert item["answers"]["sft"][0] is None
        assert item["answers"]["dpo"][0] is not None
