"""A model that is served is scored by its name, in a script, on the command line and in a notebook."""

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from iterpref_core.evaluation.scoring.from_python import evaluate
from iterpref_core.models.inference.backend_factory import names_served
from tests.command_line import Iterpref, calling
from tests.mock_endpoint import Behavior, MockEndpoint, serve
from tests.settings import ROOT

from .conftest import EvalPlusSlice

if TYPE_CHECKING:
    from aiohttp import web


def answer(prompt: str, seed: int) -> str:
    del seed
    return f"```python\ndef f(x):\n    return {'2 * x' if 'double' in prompt else 'x * x'}\n```\n"


class Refusing(MockEndpoint):
    """Answers no prompt, and counts them."""

    calls = 0

    async def _respond(self, request: "web.Request", body: bytes, digest: str) -> "web.StreamResponse":
        from aiohttp import web

        del request, body, digest
        self.calls += 1
        return web.json_response({"error": {"message": "the account is on hold"}}, status=400)


class Recording(MockEndpoint):
    """Keeps the bodies of calls."""

    def __init__(self, text: str) -> None:
        super().__init__(lambda *_: text, Behavior())
        self.bodies: list[dict[str, Any]] = []

    def _completion(self, asked: dict[str, Any]) -> bytes:
        self.bodies.append(asked)
        choice = {"text": self._answer("", 0), "finish_reason": "length"}
        return json.dumps({"choices": [choice]}).encode()


@pytest.fixture
def iterpref(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Iterpref:
    """Run the command line in this process and a folder of its own; returns (exit code, stdout, stderr)."""
    from iterpref_core.cli import main

    monkeypatch.chdir(tmp_path)

    return calling(main, monkeypatch, capsys)


EVALUATE = ("evaluate", "--model", "big-model", "--benchmark", "heldout", "--problems", "problems.jsonl", "--out", "o")


@pytest.mark.parametrize("form", ["options", "parameters"])
def test_a_served_model_is_scored_by_its_name(iterpref: Iterpref, problems: Path, form: str) -> None:
    assert problems.exists()
    mock = MockEndpoint(answer, Behavior())
    with serve(mock) as url:
        options = ["--backend", "openai", "--base-url", url]
        parameters = ["--set", "inference.backend=openai", "--set", f"inference.base_url={url}"]
        code, _, err = iterpref(*EVALUATE, *(options if form == "options" else parameters))
        assert code == 0, err
    found = json.loads(Path("o/results.json").read_text())
    assert found["model"] == "big-model"
    assert found["benchmarks"]["heldout"]["pass_at_1"] == 1
    assert mock.asked.total() == 2


def test_a_name_is_one_at_an_endpoint_and_a_path_is_none() -> None:
    assert names_served("org/big-model", "openai")
    assert not names_served(Path("absent"), "openai")
    for name in ("smollm2", "coder-7b-q4_k_m.gguf", "/models/coder-7b-q4_k_m.gguf"):
        assert names_served(name, "openai")
    assert not names_served("org/big-model", "transformers")


@pytest.mark.parametrize("name", ["smollm2", "coder-7b-q4_k_m.gguf", "/models/coder-7b-q4_k_m.gguf"])
def test_a_served_name_may_look_like_a_file_and_without_an_endpoint_the_message_says_how_to_name_one(
    iterpref: Iterpref, problems: Path, name: str
) -> None:
    assert problems.exists()
    asked = ("evaluate", "--model", name, *EVALUATE[3:])
    with serve(MockEndpoint(answer, Behavior())) as url:
        code, _, err = iterpref(*asked, "--backend", "openai", "--base-url", url)
    assert code == 0, err
    code, _, err = iterpref(*asked)
    assert code == 2
    assert "a model behind an endpoint needs --backend openai and --base-url URL" in err


def test_a_served_model_may_have_the_name_of_a_folder_here(
    iterpref: Iterpref, problems: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As vLLM, SGLang and `transformers serve` name a model by its path."""
    Path("big-model").mkdir()
    Path("big-model/config.json").write_text("{}")
    mock = MockEndpoint(answer, Behavior())
    with serve(mock) as url:
        at = ["--base-url", url]
        code, _, err = iterpref(*EVALUATE, "--backend", "openai", *at)
        assert (code, mock.asked.total()) == (0, 2), err
        found = json.loads(Path("o/results.json").read_text())
        assert "precision" not in found["benchmarks"]["heldout"]["sampling"]
        # The experiment evaluates folders while its debugger is behind an endpoint: there a folder is one.
        code, _, err = iterpref(*EVALUATE, "--set", "inference.backend=openai", "--set", f"inference.base_url={url}")
        assert (code, "big-model" in err) == (2, True)
        code, _, err = iterpref(*EVALUATE, *at)
        assert (code, "asks no server; add --backend openai" in err) == (2, True)
        board = [
            "leaderboard",
            "big-model",
            "other",
            "--benchmark",
            "heldout",
            "--out",
            "b",
            "--backend",
            "openai",
            *at,
        ]
        code, _, _ = iterpref(*board, "--problems", problems)
        assert (code, "big-model: a folder here, which is read in this process" in caplog.text) == (2, True)
    assert mock.asked.total() == 2


def test_a_server_has_as_many_calls_in_flight_as_one_parameter_says(iterpref: Iterpref, problems: Path) -> None:
    rows = [json.loads(problems.read_text().splitlines()[0])]
    more = [rows[0] | {"task_id": f"h/{number}", "prompt": f"Double x, {number} times."} for number in range(20)]
    problems.write_text("".join(f"{json.dumps(row)}\n" for row in more))
    mock = MockEndpoint(answer, Behavior(median_s=0.01))
    with serve(mock) as url:
        options = ["--backend", "openai", "--base-url", url, "--set", "inference.concurrency=3"]
        code, _, err = iterpref(*EVALUATE, *options)
        assert (code, mock.most_in_flight) == (0, 3), err
        problems.write_text(problems.read_text().replace('"heldout"', '"codeflow"'))
        asked = ["--model", "m", "--problems", problems, "--out", "t.jsonl", "--backend", "openai", "--base-url", url]
        code, _, err = iterpref("debug", *asked, "--concurrency", "4")
        assert (code, mock.most_in_flight) == (0, 4), err


def test_a_run_in_which_no_prompt_is_answered_is_a_failure(iterpref: Iterpref, problems: Path) -> None:
    assert problems.exists()
    with serve(Refusing(answer, Behavior())) as url:
        code, _, err = iterpref(*EVALUATE, "--backend", "openai", "--base-url", url)
    assert code == 2
    assert "heldout: none of 2 prompts was answered" in err
    assert "the account is on hold" in err
    assert not Path("o/results.json").exists()


@pytest.mark.parametrize("refused", ["heldout", "validation"])
def test_a_benchmark_whose_prompts_are_all_refused_takes_no_other_ones_results_along(
    iterpref: Iterpref, problems: Path, refused: str
) -> None:
    from aiohttp import web

    assert problems.exists()

    class RefusingOneSplit(MockEndpoint):
        async def _respond(self, request: "web.Request", body: bytes, digest: str) -> "web.StreamResponse":
            if f"({refused})" in body.decode():
                return web.json_response({"error": {"message": "too long"}}, status=400)
            return await super()._respond(request, body, digest)

    with serve(RefusingOneSplit(answer, Behavior())) as url:
        options = ["--benchmark", "validation", "--backend", "openai", "--base-url", url]
        code, _, err = iterpref(*EVALUATE, *options)
    assert code == 2
    assert f"{refused}: none of" in err
    (other,) = {"heldout", "validation"} - {refused}
    found = json.loads(Path("o/results.json").read_text())["benchmarks"]
    assert found.keys() == {other}
    assert found[other]["pass_at_1"] == 1
    assert Path(f"o/samples/{other}.jsonl").exists()


def test_a_server_that_refuses_everything_is_asked_one_prompt_of_each_later_benchmark(
    iterpref: Iterpref, problems: Path
) -> None:
    rows = [json.loads(line) for line in problems.read_text().splitlines()]
    more = [rows[0] | {"task_id": f"h/{number}", "prompt": f"Double x, {number} times."} for number in range(30)]
    problems.write_text("".join(f"{json.dumps(row)}\n" for row in [*rows, *more]))
    mock = Refusing(answer, Behavior())
    with serve(mock) as url:
        one_at_a_time = ["--set", "inference.concurrency=1"]
        served = ["--backend", "openai", "--base-url", url]
        code, _, err = iterpref(*EVALUATE, "--benchmark", "validation", *served, *one_at_a_time)
    assert (code, "the account is on hold" in err, "Traceback" in err) == (2, True, False)
    assert mock.calls == 20 + 1  # of 32 held-out prompts, and of those of the validation split
    assert not Path("o/results.json").exists()


def test_debugging_in_which_no_prompt_is_answered_is_a_failure(iterpref: Iterpref, problems: Path) -> None:
    row = json.loads(problems.read_text().splitlines()[0])
    problems.write_text(json.dumps(row | {"split": "codeflow"}))
    with serve(Refusing(answer, Behavior())) as url:
        options = ["--model", "m", "--backend", "openai", "--base-url", url, "--problems", problems, "--out", "t.jsonl"]
        code, _, err = iterpref("debug", *options)
    assert code == 2
    assert "none of 1 prompts was answered" in err
    assert "the account is on hold" in err
    assert not Path("t.jsonl").exists()


def test_options_of_a_model_without_a_model_are_refused(iterpref: Iterpref) -> None:
    code, _, err = iterpref(
        *("evaluate", "--ground-truth", "--benchmark", "heldout", "--out", "o", "--backend", "openai")
    )
    assert (code, "give one with --model" in err) == (2, True)


def test_a_served_model_is_scored_where_an_event_loop_runs(
    problems: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a notebook."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())

    async def cell(url: str) -> dict[str, float]:
        values = {"inference.backend": "openai", "inference.base_url": url}
        return evaluate("big-model", ["heldout"], "results", problems=problems, values=values)

    with serve(MockEndpoint(answer, Behavior())) as url:
        assert asyncio.run(cell(url))["heldout/pass_at_1"] == 1


def test_a_base_model_is_sent_its_end_strings_and_a_whole_program_is_not_truncated(
    evalplus_slice: EvalPlusSlice, iterpref: Iterpref
) -> None:
    evalplus_slice("humaneval", "HumanEval/53")
    mock = Recording("    return x - y\n\n\ndef next_task(x):\n    pass\n\nassert x == (\n")
    with serve(mock) as url:
        options = ["--backend", "openai", "--base-url", url, "--set", "inference.api=completions"]
        code, _, err = iterpref(*EVALUATE[:3], "--benchmark", "humaneval", "--out", "o", *options)
    assert code == 0, err
    (body,) = mock.bodies
    assert {"\ndef ", "\nclass ", "\nassert "} <= set(body["stop"])
    entry = json.loads(Path("o/results.json").read_text())["benchmarks"]["humaneval"]
    assert (entry["errors"], entry["truncated"]) == ({"wrong_answer": 1}, 0)


def test_a_base_model_that_goes_on_behind_its_program_has_a_whole_one(iterpref: Iterpref, problems: Path) -> None:
    """The limit cuts what it writes behind the program of a held-out problem; a program that is cut is `truncated`."""
    assert problems.exists()
    whole = Recording("def f(x):\n    return 3 * x\n\n\nThe next task is to triple\n\ndef g(x)")
    with serve(whole) as url:
        options = ["--backend", "openai", "--base-url", url, "--set", "inference.api=completions"]
        code, _, err = iterpref(*EVALUATE, *options)
        assert code == 0, err
        entry = json.loads(Path("o/results.json").read_text())["benchmarks"]["heldout"]
        assert (entry["errors"], entry["truncated"]) == ({"wrong_answer": 2}, 0)
        assert {tuple(body["stop"]) for body in whole.bodies} == {("<|endoftext|>", "\nif __name__")}
    with serve(Recording("def f(x):\n    y = 3 * x\n    return (y +")) as url:
        options = ["--backend", "openai", "--base-url", url, "--set", "inference.api=completions", "--fresh"]
        code, _, err = iterpref(*EVALUATE, *options)
    entry = json.loads(Path("o/results.json").read_text())["benchmarks"]["heldout"]
    assert (entry["errors"], entry["truncated"]) == ({"truncated": 2}, 2)


def test_results_have_the_tokens_of_the_answers_and_their_price_where_it_is_known(
    iterpref: Iterpref, problems: Path
) -> None:
    assert problems.exists()
    with serve(MockEndpoint(answer, Behavior())) as url:
        served = ["--backend", "openai", "--base-url", url]
        code, _, err = iterpref(*EVALUATE, *served)
        assert code == 0, err
        entry = json.loads(Path("o/results.json").read_text())["benchmarks"]["heldout"]
        tokens = entry["tokens"]
        assert tokens["per_answer"] == tokens["completion"] / 2 > 1
        assert "cost_usd" not in entry
        prices = ["--set", "inference.price_prompt=1", "--set", "inference.price_completion=10"]
        code, _, err = iterpref(*EVALUATE, *served, *prices)
    assert code == 0, err
    entry = json.loads(Path("o/results.json").read_text())["benchmarks"]["heldout"]
    assert entry["tokens"] == tokens
    assert entry["cost_usd"] == pytest.approx((tokens["prompt"] + 10 * tokens["completion"]) / 1e6)


def test_parameters_of_requests_and_what_was_refused_are_in_the_protocol(
    evalplus_slice: EvalPlusSlice, iterpref: Iterpref
) -> None:
    from aiohttp import web

    class NoSystem(MockEndpoint):
        async def _respond(self, request: "web.Request", body: bytes, digest: str) -> "web.StreamResponse":
            if json.loads(body)["messages"][0]["role"] == "system":
                return web.json_response({"object": "error", "message": "System role not supported"}, status=400)
            return await super()._respond(request, body, digest)

    evalplus_slice("humaneval", "HumanEval/53")
    with serve(NoSystem(lambda *_: "def add(x, y):\n    return x + y\n", Behavior())) as url:
        options = ["--backend", "openai", "--base-url", url, "--set", "inference.top_p=0.9"]
        code, _, err = iterpref(*EVALUATE[:3], "--benchmark", "humaneval", "--out", "o", *options)
    assert code == 0, err
    entry = json.loads(Path("o/results.json").read_text())["benchmarks"]["humaneval"]
    assert entry["pass_at_1"] == 1
    assert entry["sampling"]["request"] == {"top_p": 0.9}
    protocol = "evalplus 0.3.1, chat endpoint, top_p 0.9, system message in the user's"
    assert entry["sampling"]["protocol"] == protocol


@pytest.mark.parametrize(("stated", "temperature"), [("null", 0), ("0.6", 0.6)])
def test_one_sample_is_drawn_where_that_is_asked_for(
    iterpref: Iterpref, problems: Path, stated: str, temperature: float
) -> None:
    assert problems.exists()
    mock = Recording("def f(x):\n    return x\n")
    with serve(mock) as url:
        values = ["--set", f"evaluation.temperature={stated}"]
        code, _, err = iterpref(*EVALUATE, "--backend", "openai", "--base-url", url, *values)
    assert code == 0, err
    assert {body["temperature"] for body in mock.bodies} == {temperature}
    entry = json.loads(Path("o/results.json").read_text())["benchmarks"]["heldout"]
    assert entry["sampling"]["temperature"] == temperature


def test_a_sample_with_half_a_character_is_one_message(iterpref: Iterpref, problems: Path) -> None:
    row = {"task_id": "h/double", "solution": "MARK = '\ud83d'\n\n\ndef f(x):\n    return 2 * x\n"}
    Path("samples.jsonl").write_text(json.dumps(row))
    options = ["--samples", "samples.jsonl", "--benchmark", "heldout", "--problems", problems, "--out", "o"]
    code, _, err = iterpref("evaluate", *options)
    assert (code, "samples.jsonl:1" in err, "Traceback" in err) == (2, True, False)
