"""A model that is served is scored by its name, in a script, on the command line and in a notebook."""

import asyncio
import json
from pathlib import Path

import pytest

from iterpref_core.evaluation.scoring.from_python import evaluate
from tests.mock_endpoint import Behavior, MockEndpoint, serve
from tests.models.inference.endpoints import Refusing, Scripted, choice
from tests.settings import ROOT

pytestmark = pytest.mark.usefixtures("problems")


def answer(prompt, seed):
    del seed
    return f"```python\ndef f(x):\n    return {'2 * x' if 'double' in prompt else 'x * x'}\n```\n"


def refusing(text="", answer=answer, message="the account is on hold"):
    """A server that refuses the calls in whose body a text stands."""
    mock = Refusing(lambda body: text in json.dumps(body), {"error": {"message": message}})
    mock._answer = answer
    return mock


def cut_at(text):
    """A server that answers each of two prompts with a text, at which its limit cuts the answer."""
    return Scripted(*[choice(text=text, finish_reason="length")] * 2)


EVALUATE = ("evaluate", "--model", "big-model", "--benchmark", "heldout", "--problems", "problems.jsonl", "--out", "o")
SERVED = ("--backend", "openai", "--base-url")


def results():
    """Return what is measured of each benchmark."""
    path = Path("o/results.json")
    return json.loads(path.read_text())["benchmarks"] if path.exists() else {}


@pytest.fixture
def evaluate_served(iterpref):
    """Score a served model; returns the entry of the benchmark, of which there is one."""

    def run(mock, *options, benchmark="heldout"):
        with serve(mock) as url:
            code, _, err = iterpref(*EVALUATE[:3], "--benchmark", benchmark, *EVALUATE[5:], *SERVED, url, *options)
        assert code == 0, err
        return results()[benchmark]

    return run


@pytest.mark.parametrize("name", ["smollm2", "coder-7b-q4_k_m.gguf", "/models/coder-7b-q4_k_m.gguf"])
def test_a_served_name_may_look_like_a_file_and_without_an_endpoint_the_message_says_how_to_name_one(iterpref, name):
    asked = ("evaluate", "--model", name, *EVALUATE[3:])
    with serve(MockEndpoint(answer, Behavior())) as url:
        code, _, err = iterpref(*asked, *SERVED, url)
    assert code == 0, err
    code, _, err = iterpref(*asked)
    assert (code, "needs --backend openai and --base-url URL" in err) == (2, True)


def test_a_served_model_may_have_the_name_of_a_folder_here(iterpref):
    """As vLLM, SGLang and `transformers serve` name a model by its path; parameters may name the endpoint."""
    mock = MockEndpoint(answer, Behavior())
    with serve(mock) as url:
        parameters = ["--set", "inference.backend=openai", "--set", f"inference.base_url={url}"]
        code, _, err = iterpref(*EVALUATE, *parameters)
        assert (code, mock.asked.total()) == (0, 2), err
        assert json.loads(Path("o/results.json").read_text())["model"] == "big-model"
        assert "precision" not in results()["heldout"]["sampling"]
        Path("big-model").mkdir()
        Path("big-model/config.json").write_text("{}")
        assert iterpref(*EVALUATE, *SERVED, url)[0] == 0
        # The experiment evaluates folders while its debugger is behind an endpoint: there a folder is one.
        code, _, err = iterpref(*EVALUATE, *parameters)
        assert (code, "big-model" in err) == (2, True)
        code, _, err = iterpref(*EVALUATE, "--base-url", url)
        assert (code, "asks no server; add --backend openai" in err) == (2, True)
    assert mock.asked.total() == 2


@pytest.mark.parametrize("refused", ["heldout", "validation"])
def test_a_benchmark_whose_prompts_are_all_refused_takes_no_other_ones_results_along(iterpref, refused):
    with serve(refusing(f"({refused})")) as url:
        code, _, err = iterpref(*EVALUATE, "--benchmark", "validation", *SERVED, url)
    assert (code, f"{refused}: none of" in err) == (2, True)
    (other,) = {"heldout", "validation"} - {refused}
    assert {name: entry["pass_at_1"] for name, entry in results().items()} == {other: 1}
    assert Path(f"o/samples/{other}.jsonl").exists()


def test_a_server_that_refuses_everything_is_asked_one_prompt_of_each_later_benchmark(iterpref, problems):
    # Two held-out problems are there, and one of the validation split.
    row = json.loads(problems.read_text().splitlines()[0])
    rows = [row | {"task_id": f"h/{number}", "prompt": f"Double x, {number} times."} for number in range(30)]
    problems.write_text(problems.read_text() + "\n".join(map(json.dumps, rows)))
    mock = refusing()
    with serve(mock) as url:
        options = ["--benchmark", "validation", *SERVED, url, "--set", "inference.concurrency=1"]
        code, _, err = iterpref(*EVALUATE, *options)
    assert (code, "the account is on hold" in err, "Traceback" in err) == (2, True, False)
    # Of 32 held-out prompts 20 are asked, of the validation split one: three as they are and in six forms, and the
    # others once more.
    assert mock.refusals == 3 * 7 + 2 * (17 + 1)
    assert results() == {}


def test_a_model_that_drafts_may_be_at_the_endpoint_too(iterpref, problems):
    asked = []
    problems.write_text(problems.read_text().replace('"heldout"', '"codeflow"'))

    class Named(MockEndpoint):
        def _completion(self, body):
            asked.append(body["model"])
            # The small model drafts a wrong program, which the large one repairs.
            self._answer = answer if body["model"] == "large" else lambda *_: "def f(x):\n    return 0\n"
            return super()._completion(body)

    with serve(Named(answer, Behavior())) as url:
        models = ["--debugger", "large", "--draft-model", "small"]
        code, out, err = iterpref("debug", *models, *EVALUATE[5:7], "--out", "t.jsonl", *SERVED, url, "--json")
    assert code == 0, err
    assert json.loads(out)["solved"] == 2
    assert (asked.count("small"), asked.count("large")) == (2, 2)


def test_a_served_model_is_scored_where_an_event_loop_runs(problems, tmp_path, monkeypatch):
    """As in a notebook."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())

    async def cell(url):
        values = {"inference.backend": "openai", "inference.base_url": url}
        return evaluate("big-model", ["heldout"], "results", problems=problems, values=values)

    with serve(MockEndpoint(answer, Behavior())) as url:
        assert asyncio.run(cell(url))["heldout/pass_at_1"] == 1


COMPLETIONS = ("--set", "inference.api=completions")


def test_a_base_model_is_sent_its_end_strings_and_a_whole_program_is_not_truncated(evalplus_slice, evaluate_served):
    evalplus_slice("humaneval", "HumanEval/53")
    mock = cut_at("    return x - y\n\n\ndef next_task(x):\n    pass\n\nassert x == (\n")
    entry = evaluate_served(mock, *COMPLETIONS, benchmark="humaneval")
    (body,) = mock.bodies
    assert {"\ndef ", "\nclass ", "\nassert "} <= set(body["stop"])
    assert (entry["errors"], entry["truncated"]) == ({"wrong_answer": 1}, 0)


def test_a_base_model_that_goes_on_behind_its_program_has_a_whole_one(evaluate_served):
    """The limit cuts what it writes behind the program of a held-out problem; a program that is cut is `truncated`."""
    whole = cut_at("def f(x):\n    return 3 * x\n\n\nThe next task is to triple\n\ndef g(x)")
    entry = evaluate_served(whole, *COMPLETIONS)
    assert (entry["errors"], entry["truncated"]) == ({"wrong_answer": 2}, 0)
    assert {tuple(body["stop"]) for body in whole.bodies} == {("<|endoftext|>", "\nif __name__")}
    entry = evaluate_served(cut_at("def f(x):\n    y = 3 * x\n    return (y +"), *COMPLETIONS, "--fresh")
    assert (entry["errors"], entry["truncated"]) == ({"truncated": 2}, 2)


def test_results_have_the_tokens_of_the_answers_and_their_price_where_it_is_known(evaluate_served):
    mock = MockEndpoint(answer, Behavior())
    unpriced = evaluate_served(mock)
    tokens = unpriced["tokens"]
    assert tokens["per_answer"] == tokens["completion"] / 2 > 1
    assert "cost_usd" not in unpriced
    prices = ["--set", "inference.price_prompt=1", "--set", "inference.price_completion=10"]
    entry = evaluate_served(mock, *prices)
    assert entry["tokens"] == tokens
    assert entry["cost_usd"] == pytest.approx((tokens["prompt"] + 10 * tokens["completion"]) / 1e6)


def test_parameters_of_requests_and_what_was_refused_are_in_the_results(evalplus_slice, evaluate_served):
    evalplus_slice("humaneval", "HumanEval/53")
    mock = refusing('"system"', lambda *_: "def add(x, y):\n    return x + y\n", "System role not supported")
    entry = evaluate_served(mock, "--set", "inference.top_p=0.9", benchmark="humaneval")
    assert (entry["pass_at_1"], entry["sampling"]["request"]) == (1, {"top_p": 0.9})
    assert entry["sampling"]["protocol"] == "evalplus 0.3.1, chat endpoint"
    assert entry["sampling"]["adaptations"] == ["system message in the user's"]


@pytest.mark.parametrize(("stated", "temperature"), [("null", 0), ("0.6", 0.6)])
def test_one_sample_is_drawn_where_that_is_asked_for(evaluate_served, stated, temperature):
    mock = cut_at("def f(x):\n    return x\n")
    entry = evaluate_served(mock, "--set", f"evaluation.temperature={stated}")
    assert {body["temperature"] for body in mock.bodies} == {temperature}
    assert entry["sampling"]["temperature"] == temperature
