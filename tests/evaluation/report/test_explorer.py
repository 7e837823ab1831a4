"""The explorer's data and its page as text: which trajectories are shown, how small they are, and that nothing of them
can be anything but text."""

import base64
import hashlib
import html
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iterpref_core.evaluation.report.explorer import changed_lines, embed
from iterpref_core.records import Attempt, Sample, Trajectory
from iterpref_core.storage.jsonl import write_jsonl
from tests.evaluation.report.conftest import HOSTILE, Experiment, change
from tests.texts import written


def attempt(verdict="wrong_answer", hidden=None, number=0, **more):
    own = {"code": f"def f():\n    return {number}\n", "feedback": f"f() returned {number}", "completion_tokens": 1}
    return Attempt(iteration=number, verdict=verdict, hidden=hidden, prompt_tokens=1, **(own | more))


def trajectory(task_id, *attempts):
    return Trajectory(task_id=task_id, solved=attempts[-1].verdict == "passed", attempts=attempts)


@pytest.fixture(scope="module")
def explored(tmp_path_factory):
    """The page and the data of an explorer with a hostile trajectory, and one of which a pair was made."""
    hostile = trajectory(HOSTILE, attempt(code=f"</script>{HOSTILE}<!--", feedback=HOSTILE))
    solved = trajectory("codeflow/3", attempt(), attempt("passed", number=1))
    return explore(Experiment(tmp_path_factory.mktemp("explored")), hostile, solved)


def explore(experiment, *trajectories):
    """The page of a report with these trajectories, and its data."""
    write_jsonl(experiment.files.trajectories, trajectories)
    experiment.build(experiment.root / "reports")
    page = (experiment.root / "reports/explorer.html").read_text()
    return page, json.loads(page.partition('type="application/json" id="data">')[2].partition("</script>")[0])


LINES = st.lists(st.sampled_from(["a", "b", "", "    c"]), max_size=12)


@given(LINES, LINES)
def test_changes_hold_both_programs(before, after):
    lines = changed_lines(before, after)
    assert [text for sign, text in lines if sign != "+"] == before
    assert [text for sign, text in lines if sign != "−"] == after


@given(st.text(st.characters(codec=None)))
def test_embedded_text_comes_back_as_it_was_and_ends_no_element(text):
    found = embed({"text": text})
    assert found.isascii()
    assert "<" not in found
    assert not re.search(r"[\x00-\x1f\x7f]", found)
    decoded = json.loads(found)["text"]
    assert decoded.encode("utf-16", "surrogatepass") == text.encode("utf-16", "surrogatepass")


def test_the_order_of_the_file_does_not_decide_what_is_shown(experiment):
    items = [trajectory(f"codeflow/{n}", attempt(), attempt("passed", number=1)) for n in range(600)]
    rows = [{"reason": "too_long", "where": "", "task_id": f"codeflow/{n}"} for n in range(12, 600)]
    written(experiment.files.dropped, *rows)
    page, data = explore(experiment, *items)
    assert {name: data["totals"][name] for name in ("too_long", "pair")} == {"too_long": 588, "pair": 12}
    assert data["outcomes"]["too_long"] == "too long", "a solved problem says why it has no pair"
    assert len({item["id"] for item in data["trajectories"] if item["id"].startswith("codeflow")}) == 500
    assert "500 of 600 trajectories, drawn by a hash of their task_id" in page
    assert explore(experiment, *reversed(items)) == (page, data)


def test_the_policy_allows_this_script_and_style_alone_and_the_rest_is_data(explored):
    page, data = explored
    policy = html.unescape(re.findall(r'Content-Security-Policy" content="([^"]+)"', page)[0])
    for tag, directive in (("script", "script-src"), ("style", "style-src")):
        (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none';")
    assert (page.count("<script"), page.count("</script>")) == (2, 2)
    assert "owned" not in page.partition('id="data"')[0]
    assert HOSTILE in {entry["id"] for entry in data["trajectories"]}


def test_a_trajectory_has_its_pair_and_the_explorer_leads_to_the_report(explored):
    page, data = explored
    assert 'href="index.html"' in page
    (shown,) = (entry for entry in data["trajectories"] if entry["id"] == "codeflow/3")
    assert shown["outcome"] == "pair"
    assert shown["prompt"] == f"Sum the squares. {HOSTILE}", "of the pair, where its problem is not there"
    assert [line[0] for line in shown["pair"]["rejected"]] == [0, 0, 0, 1, 0]


def test_held_out_problems_that_training_mended_or_broke_are_shown(explored):
    page, data = explored
    assert data["totals"]["mended by Target-RPO"] == 90
    assert data["totals"]["broken by DPO"] == 30
    assert "broken by Target-RPO" not in data["totals"]
    assert not any("debugger" in name for name in data["totals"])
    first, *others = [entry for entry in data["trajectories"] if entry["outcome"] == "mended by Target-RPO"]
    assert len(others) == 19
    number = int(first["id"].split(",")[0].removeprefix("task/"))
    before, after = first["attempts"]
    assert (before["label"], before["model"], before["verdict"]) == ("Before training", "base", "wrong_answer")
    assert (after["label"], after["model"], after["verdict"]) == ("After training", "Target-RPO", "passed")
    assert after["lines"] == [["", "def f(x):"], ["−", "    return -1"], ["+", f"    return {number}"]]
    assert "answers to tasks that training mended or broke." in page


def test_of_several_samples_those_that_show_the_difference_are_shown(experiment):
    for model, verdicts in (("base", ["passed", "timeout", "timeout"]), ("dpo", ["timeout", "passed", "passed"])):
        change(experiment.files.results / model / "results.json", verdicts={"task/0000": verdicts})
        path = experiment.files.results / model / "samples/heldout.jsonl"
        write_jsonl(path, [Sample(task_id="task/0000", solution=f"{model} = {number}\n") for number in range(3)])
    _, data = explore(experiment)
    (entry,) = (entry for entry in data["trajectories"] if entry["outcome"] == "mended by DPO")
    before, after = entry["attempts"]
    assert (before["verdict"], before["lines"]) == ("timeout", [["+", "base = 1"]])
    assert (after["verdict"], after["lines"]) == ("passed", [["−", "base = 1"], ["+", "dpo = 1"]])
