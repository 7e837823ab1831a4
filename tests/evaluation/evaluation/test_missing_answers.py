"""Answers that are missing: each is one answer with its reason, the others are scored, and the score has bounds."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from iterpref_core.evaluation.statistics.pass_at_k import share_interval
from iterpref_core.records import IoTest, Problem
from iterpref_core.storage.jsonl import write_jsonl
from tests.mock_endpoint import Behavior, MockEndpoint, serve

RIGHT = "def f(x):\n    return 2 * x\n"
HALF = "def f(x):\n    return 2 *"
LIMIT = 32


class Kind(NamedTuple):
    """A way in which a server ends an answer.

    `reply` are fields of the reply's choice, and its `usage`; or the body of a refusal. `state` begins the reason why
    the answer is missing, or is the verdict on it.
    """

    reply: dict[str, Any]
    state: str
    status: int = 200


def _ends(state, *reasons):
    return {f"finish_reason {reason}": Kind({"finish_reason": reason}, state) for reason in reasons}


def _refusals(state, status, *messages):
    return {f"{status} {text}": Kind({"error": {"message": text}}, state, status) for text in messages}


FULL = {"prompt_tokens": 9, "completion_tokens": LIMIT}
KINDS = {
    **_ends("passed", "stop", "STOP", "end_turn", "eos", "eos_token", "stop_sequence", None),
    **_ends("unknown: ", "", "unknown", "finish_reason_unspecified", "null", "normal", "other", {"type": "length"}, 7),
    **_ends("filtered: ", "sensitive", "guardrail_intervened", "content_filtered", "refusal", "IMAGE_SAFETY"),
    **_ends("filtered: ", "content_filter: RECITATION", "malformed_function_call", "content_filter", "SAFETY"),
    **_ends("truncated", "token_limit", "model_context_window_exceeded", "MODEL_LENGTH"),
    **_ends("truncated", "context_length_exceeded", "length", "max_tokens", "MAX_TOKENS", "model_length"),
    "all tokens, stop": Kind({"finish_reason": "stop", "usage": FULL}, "truncated"),
    "all tokens, null": Kind({"finish_reason": None, "usage": FULL}, "truncated"),
    **_ends("failed: ", "error", "abort"),
    **_refusals("refused: 403 ", 403, "flagged by moderation"),
    **_refusals("refused: 400 ", 400, "maximum context length is 4096 tokens", "the prompt cannot be processed"),
    **_refusals("refused: 500 ", 500, "the request exceeds the available context size"),
    **_refusals("failed: ", 500, "the worker crashed"),
    **_refusals("failed: ", 400, "overloaded, try again later"),
}
"""Name → a way in which servers end answers, or do not answer."""
FIVE = (
    *("finish_reason normal", "finish_reason content_filtered", "403 flagged by moderation"),
    *("500 the request exceeds the available context size", "500 the worker crashed"),
)


class Ending(MockEndpoint):
    """Ends the answer to each task in a way of its own."""

    def __init__(self, kinds):
        super().__init__(lambda *_: RIGHT, Behavior())
        self.kinds = kinds

    async def _respond(self, request, body, digest):
        from aiohttp import web

        del request, digest
        number = int(json.loads(body)["messages"][-1]["content"].split()[1])
        kind = KINDS[self.kinds[number]]
        if kind.status != 200:
            return web.json_response(kind.reply, status=kind.status)
        text = HALF if kind.state == "truncated" else RIGHT
        choice = {"message": {"role": "assistant", "content": text}, **kind.reply}
        usage = choice.pop("usage", None)
        return web.json_response({"choices": [choice], "usage": usage})


@pytest.fixture
def run(monkeypatch, iterpref):
    """Score a served model on tasks whose answers end so; returns the exit code, stderr, and the benchmark's result."""
    monkeypatch.setattr("iterpref_core.models.inference.openai_model.ATTEMPTS", 2)

    def run(mock):
        fields = {"entry_point": "f", "tests": (IoTest(call="f(2)", expected="4"),), "split": "heldout"}
        names = [str(number) for number in range(len(mock.kinds))]
        rows = [Problem(task_id=f"t{name}", prompt=f"Task {name} : double x.", **fields) for name in names]
        write_jsonl(Path("problems.jsonl"), rows)
        with serve(mock) as url:
            arguments = ["evaluate", "--model", "m", "--backend", "openai", "--base-url", url]
            arguments += ["--benchmark", "heldout", "--problems", "problems.jsonl", "--out", "o"]
            arguments += ["--set", f"evaluation.max_new_tokens={LIMIT}"]
            code, _, errors = iterpref(*arguments)
        result = {}
        if Path("o/results.json").exists():
            result = json.loads(Path("o/results.json").read_text())["benchmarks"]["heldout"]
        return code, errors, result

    return run


def check(kinds, result):
    """Compare a result with the table of kinds."""
    states = [KINDS[name].state for name in kinds]
    assert result["truncated"] == states.count("truncated")
    for number, state in enumerate(states):
        (verdict,) = result["verdicts"][f"t{number}"]
        if verdict == "unanswered":
            assert result["feedback"][f"t{number}"][0].startswith(f"no answer: {state}"), kinds[number]
        else:
            assert verdict == state, kinds[number]


def test_an_end_is_one_answers_state_and_the_others_are_scored(run):
    code, _, result = run(Ending(list(KINDS)))
    check(list(KINDS), result)
    missing = sum(outcomes == ["unanswered"] for outcomes in result["verdicts"].values())
    assert (code, result["available"], "pass_at_1" in result) == (1, False, False)
    assert f"{missing} of {len(KINDS)} answers are missing" in result["reason"]
    assert sum(result["missing"].values()) == missing


def test_five_failures_of_five_kinds_leave_fifteen_scores_and_are_asked_again(run):
    kinds = ["finish_reason stop"] * 20
    kinds[::4] = FIVE
    mock = Ending(kinds)
    code, _, result = run(mock)
    check(kinds, result)
    assert (code, result["n"], len(result["missing"])) == (1, 20, 5)
    assert result["pass_at_1_bounds"] == [0.75, 1.0]
    ends = share_interval([1.0] * 15 + [0.0] * 5)[0], share_interval([1.0] * 20)[1]
    assert result["ci95"] == pytest.approx(ends)
    assert sum(outcomes == ["passed"] for outcomes in result["verdicts"].values()) == 15
    assert len(Path("o/samples/heldout.jsonl").read_text().splitlines()) == 15
    # The same command asks for the five alone, and now they are there.
    mock.kinds = ["finish_reason stop"] * 20
    before = mock.asked.total()
    code, _, result = run(mock)
    assert (code, result["pass_at_1"], mock.asked.total() - before) == (0, 1.0, 5)


def test_a_run_in_which_a_server_fails_has_no_result(run):
    code, err, result = run(Ending(["500 the worker crashed"] * 3))
    assert (code, result) == (1, {})
    assert "none of 3 prompts was answered" in err
    assert "the worker crashed" in err


def test_a_model_with_a_missing_answer_has_no_row_among_others_and_passes_no_gate(run, iterpref):
    for name, second in (("whole", "finish_reason stop"), ("lacking", "403 flagged by moderation")):
        Path(".iterpref/answers.sqlite").unlink(missing_ok=True)
        run(Ending(["finish_reason stop", second, "finish_reason stop"]))
        Path("o").rename(name)
    reason = "pass@1 is between 66.7% and 100.0%: 1 of 3 answers are missing"
    code, out, _ = iterpref("leaderboard", "whole", "lacking", "--out", "b")
    assert (code, f"no score of lacking on held-out: {reason}" in " ".join(out.split())) == (1, True)
    table = Path("b/leaderboard.md").read_text().splitlines()
    assert [line.split("|")[2].strip() for line in table if line.startswith("| held-out")] == ["whole"]
    code, _, err = iterpref("gate", "--baseline", "whole", "--candidate", "lacking")
    assert (code, f"could not be measured: {reason}" in err) == (2, True)


def test_debugging_says_what_is_missing(run, iterpref, caplog):
    kinds = ["finish_reason stop", "403 flagged by moderation", "finish_reason normal"]
    run(Ending(kinds))
    Path("problems.jsonl").write_text(Path("problems.jsonl").read_text().replace('"heldout"', '"codeflow"'))
    with serve(Ending(kinds)) as url:
        arguments = ["debug", "--debugger", "m", "--backend", "openai", "--base-url", url]
        arguments += ["--problems", "problems.jsonl", "--out", "t.jsonl", "--set", "codeflow.wording=terse"]
        assert iterpref(*arguments)[0] == 1
    found = [json.loads(line).get("missing") for line in Path("t.jsonl").read_text().splitlines()]
    assert found == [None, ["refused: 403 flagged by moderation"], ['unknown: "normal"']]
    assert "2 of 3 answers are missing" in caplog.text
