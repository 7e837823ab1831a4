"""The stage end to end, with recorded answers in place of a model."""

import json
from math import comb

import pytest

from iterpref_core.evaluation.evaluation.model_evaluation import ask_benchmarks, evaluate_model
from iterpref_core.evaluation.evaluation.results_file import ResultsFolder
from iterpref_core.evaluation.evaluation.sampler import Sampler
from iterpref_core.evaluation.statistics.pass_at_k import share_interval
from iterpref_core.models.inference.answer_store import AnswerStore
from iterpref_core.models.inference.backend import Completion, ignore
from iterpref_core.models.inference.finish_reasons import CUT
from iterpref_core.models.inference.stored_model import StoredModel
from iterpref_core.models.pretrained.checkpoints import ModelSource, write_pointer
from iterpref_core.records import BudgetError, BudgetParams, DataUnavailableError, EvaluationParams, Incomplete
from tests.evaluation.evaluation.scoring import CHAT, measuring
from tests.fake_models import FakeModel, ReplayModel
from tests.mock_endpoint import Behavior, MockEndpoint, inference_at, serve
from tests.settings import changed, section

PARAMS = section(EvaluationParams, seed=1, benchmarks=("heldout",), samples=1, temperature=None, max_new_tokens=9)
DOUBLE = "Write f that will double x (heldout)."
SQUARE = "Write f that will square x (heldout)."
ANSWERS = {DOUBLE: ["```python\ndef f(x):\n    return x + x\n```"], SQUARE: ["def f(x):\n    return x + x\n"]}


class Bench:
    """`ask_benchmarks` on small inputs."""

    def __init__(self, setting, folder):
        self.setting = setting
        self.folder = folder
        self.backend = ReplayModel(ANSWERS)

    def run(self, *benchmarks, out="out", samples=1, fresh=False):
        answers = AnswerStore(self.folder / "answers.sqlite", "evaluate model")
        model = StoredModel(lambda: self.backend, "model", answers, in_process=True)
        sampler = Sampler(model, changed(PARAMS, samples=samples), CHAT, fresh=fresh)
        folder = ResultsFolder(self.folder / out, "base")
        return ask_benchmarks(sampler, measuring(self.setting, *benchmarks), folder).metrics()

    def results(self):
        return json.loads((self.folder / "out/results.json").read_text())["benchmarks"]


@pytest.fixture
def bench(problems, setting, tmp_path):
    assert problems == setting.problems
    return Bench(setting, tmp_path)


def test_heldout_runs_visible_and_hidden_tests_of_its_split_alone(bench):
    metrics = bench.run("heldout")
    entry = bench.results()["heldout"]
    assert metrics["heldout/pass_at_1"] == entry["pass_at_1"] == 0.5
    assert entry["passed"] == ["h/double"]
    assert entry["errors"] == {"wrong_answer": 1}  # passes its visible test, 2 + 2 = 2 * 2, and fails the hidden one
    assert entry["ground_truth"] == {"n": 2, "passed": 2, "failed": []}
    assert entry["sampling"] == {"temperature": 0.0, "max_new_tokens": 9, "seed": 1, "samples": 1}


def test_data_that_cannot_be_had_is_named_and_fails_nothing_else(bench, monkeypatch):
    for variable in ("HUMANEVAL_OVERRIDE_PATH", "MBPP_OVERRIDE_PATH"):
        monkeypatch.setenv(variable, "absent.jsonl")
    metrics = bench.run("heldout", "humaneval", "humaneval+", "mbpp")
    results = bench.results()
    assert [name for name, result in results.items() if result["available"]] == ["heldout"]
    assert "HUMANEVAL_OVERRIDE_PATH" in results["humaneval+"]["reason"]
    assert "MBPP_OVERRIDE_PATH" in results["mbpp"]["reason"]
    assert {name.split("/")[0] for name in metrics} == {"heldout"}
    with pytest.raises(DataUnavailableError, match="HUMANEVAL_OVERRIDE_PATH"):
        bench.run("humaneval", out="nothing")
    assert not (bench.folder / "nothing").exists()


def test_a_model_behind_an_endpoint_is_measured_and_its_answers_are_paid_for_once(bench):
    write_pointer(bench.folder / "debugger", ModelSource("thinker", served=True))
    mock = MockEndpoint(lambda prompt, _: ANSWERS[prompt][0], Behavior())

    def evaluate(calls):
        budget = section(BudgetParams, calls=calls, tokens=None, dollars=None)
        params = changed(bench.setting.params, evaluation=PARAMS, inference=inference_at(url), budget=budget)
        where = {"problems": bench.setting.problems, "cache": bench.setting.cache}
        where |= {"out": bench.folder / "out", "answers": bench.folder / "answers.sqlite"}
        return evaluate_model(params, "debugger", model=bench.folder / "debugger", **where).metrics()

    with serve(mock) as url:
        with pytest.raises(BudgetError):
            evaluate(1)
        for _ in range(2):
            metrics = evaluate(2)
    assert (metrics["heldout/pass_at_1"], metrics["heldout/n"]) == (0.5, 2)
    assert mock.asked.total() == 2


def test_what_an_evaluation_costs_has_the_answers_that_could_not_be_used(bench):
    class Odd(MockEndpoint):
        """Ends its first answer in an unknown manner."""

        billed = 0

        def _completion(self, asked):
            content = json.loads(super()._completion(asked))
            if not self.billed:
                content["choices"][0]["finish_reason"] = "odd"
            self.billed += sum(content["usage"].values())
            return json.dumps(content).encode()

    write_pointer(bench.folder / "debugger", ModelSource("thinker", served=True))
    mock = Odd(lambda prompt, _: ANSWERS[prompt][0], Behavior())
    with serve(mock) as url:
        inference = changed(inference_at(url), price_prompt=1.0, price_completion=1.0)
        params = changed(bench.setting.params, evaluation=PARAMS, inference=inference)
        for missing in (1, 0):
            found = evaluate_model(
                params, "debugger", model=bench.folder / "debugger", answers=bench.folder / "answers.sqlite",
                out=bench.folder / "out", problems=bench.setting.problems, cache=bench.setting.cache,
            ).benchmarks["heldout"]  # fmt: skip
            assert (isinstance(found, Incomplete), mock.asked.total()) == (missing, 3 - missing)
            assert found.tokens.prompt + found.tokens.completion == mock.billed == round(found.cost_usd * 1e6)


class Fading(FakeModel):
    """Answers a number of prompts, a new program for every seed, and then is gone."""

    def __init__(self, answers):
        self.left = answers
        self.seeds = set()

    def generate(self, requests, sampling, answered=ignore):
        assert sampling.temperature == 0.2
        answers = []
        for place, request in enumerate(requests):
            if not self.left:
                raise KeyboardInterrupt
            self.left -= 1
            self.seeds.add(request.seed)
            answer = Completion(f"def f(x): return {request.seed % 2 + 1} * x", 1, 1)
            answers.append(answer)
            answered(place, answer)
        return answers


def test_a_killed_evaluation_asks_for_the_samples_that_it_lacks(bench):
    first = bench.backend = Fading(7)
    with pytest.raises(KeyboardInterrupt):
        bench.run("heldout", samples=6)
    assert not (bench.folder / "out").exists()
    second = bench.backend = Fading(100)
    bench.run("heldout", samples=6)
    assert len(first.seeds) == 7
    assert second.left == 100 - 5, "5 of 2 * 6 samples were left"
    assert not first.seeds & second.seeds, "every sample has a seed of its own"
    uninterrupted = Bench(bench.setting, bench.folder / "other")
    uninterrupted.backend = Fading(12)
    uninterrupted.run("heldout", samples=6)
    assert (bench.folder / "out/results.json").read_bytes() == (bench.folder / "other/out/results.json").read_bytes()


def test_several_samples_give_unbiased_pass_at_1_and_5_with_intervals(bench, caplog):
    bench.setting = measuring(bench.setting, k=(1, 5, 10))
    bench.backend = Fading(100)
    metrics = bench.run("heldout", samples=6)
    lines = [json.loads(line) for line in (bench.folder / "out/samples/heldout.jsonl").read_text().splitlines()]
    assert [line["task_id"] for line in lines] == ["h/double"] * 6 + ["h/square"] * 6
    right = sum("return 2 * x" in line["solution"] for line in lines[:6])
    assert 0 < right < 6, "the seeds are fixed: some are even, some odd"
    entry = bench.results()["heldout"]
    assert entry["pass_at_1"] == pytest.approx(right / 6 / 2)
    at_5 = (1 - comb(6 - right, 5) / comb(6, 5)) / 2
    assert metrics["heldout/pass_at_5"] == entry["pass_at_5"] == pytest.approx(at_5)
    low, high = entry["pass_at_5_ci95"]
    assert (low, high) == pytest.approx(share_interval([2 * at_5, 0]))
    ends = {"heldout/pass_at_5_ci95_low": low, "heldout/pass_at_5_ci95_high": high}
    assert {name: value for name, value in metrics.items() if "ci95" in name and "pass_at" in name} == ends
    names = {"heldout/pass_at_1", "heldout/pass_at_5", "heldout/pass_at_5_n", *ends}
    assert {name for name in metrics if "pass_at" in name} == names
    assert "heldout: no pass@10: no task has 10 judged samples (evaluation.samples)" in caplog.text
    assert "no pass@5" not in caplog.text


def test_an_answer_that_was_cut_and_does_not_pass_is_truncated(bench, caplog):
    class Cut(FakeModel):
        def complete(self, requests, sampling):
            texts = {DOUBLE: "def f(x): return 2 * x", SQUARE: "def f(x): re"}
            return [Completion(texts[request.prompt], 1, 9, CUT) for request in requests]

    bench.backend = Cut()
    bench.run("heldout")
    entry = bench.results()["heldout"]
    assert entry["verdicts"] == {"h/double": ["passed"], "h/square": ["truncated"]}
    assert (entry["errors"], entry["truncated"]) == ({"truncated": 1}, 2)
    assert "heldout: 2 of 2 answers were cut: raise evaluation.max_new_tokens" in caplog.text


def test_answers_that_were_kept_are_said_and_asked_for_again_where_that_is_wanted(bench, caplog):
    """Two models behind one served name are one to the store."""
    assert bench.run("heldout")["heldout/pass_at_1"] == 0.5
    assert "kept" not in caplog.text
    bench.backend = ReplayModel({DOUBLE: ["def f(x): return 2 * x"], SQUARE: ["def f(x): return x * x"]})
    assert bench.run("heldout")["heldout/pass_at_1"] == 0.5
    assert "heldout: 2 of 2 answers were kept from earlier; --fresh asks again" in caplog.text
    caplog.clear()
    assert bench.run("heldout", fresh=True)["heldout/pass_at_1"] == 1.0
    assert "kept" not in caplog.text
    assert bench.run("heldout")["heldout/pass_at_1"] == 1.0
    with AnswerStore(bench.folder / "answers.sqlite", "evaluate model") as store:
        assert store.spent().calls == 4, "what was paid for stays counted"


def test_a_fresh_run_asks_once_for_what_two_benchmarks_ask(bench):
    bench.run("heldout")
    bench.run("heldout", "heldout", fresh=True)
    assert len(bench.backend.requests) == 2 + 2
