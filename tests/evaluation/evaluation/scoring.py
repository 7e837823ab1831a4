"""Scores of programs that a test writes, without a file, and of models that answer what a test tells them to."""

from dataclasses import replace

from iterpref_core.evaluation.benchmarks.benchmark import PromptMode
from iterpref_core.evaluation.benchmarks.harness import open_harness
from iterpref_core.evaluation.benchmarks.suites import open_benchmark
from iterpref_core.evaluation.evaluation.answer_reading import FoundPrograms, read_programs
from iterpref_core.evaluation.evaluation.sampler import Sampler
from iterpref_core.evaluation.evaluation.scores import summarize
from iterpref_core.models.inference.backend import Completion
from tests.fake_models import FakeModel, stored
from tests.settings import PARAMS, changed


def measuring(setting, *benchmarks, **values):
    """The setting for these benchmarks, with other values in its section `evaluation`."""
    evaluation = changed(setting.params.evaluation, benchmarks=benchmarks, **values)
    return replace(setting, params=changed(setting.params, evaluation=evaluation))


def score(benchmark, samples, cache):
    """The result of samples that are whole programs, as it stands in results.json."""
    tasks = [benchmark.tasks[sample.task_id] for sample in samples]
    programs = [sample.solution or "" for sample in samples]
    found = FoundPrograms(tasks, programs, programs)
    with open_harness(benchmark, cache) as harness:
        return summarize(harness, found, harness.run(found.samples)).to_json()


class RecordedModel(FakeModel):
    """Answers a request with the text that `answer` returns."""

    def __init__(self, answer):
        self._answer = answer

    def complete(self, requests, sampling):
        return [Completion(self._answer(request), 1, 1) for request in requests]


CHAT = PromptMode(instruct=True)
"""How a chat model behind an endpoint is asked."""


def asked(name, model, setting, mode=CHAT):
    """The result of a model on a benchmark, as it stands in results.json."""
    benchmark = open_benchmark(name, setting)
    sampling = changed(PARAMS.evaluation, samples=1, max_new_tokens=9, seed=0)
    answers = Sampler(stored(model, "m", None), sampling, mode).answer(benchmark)
    with open_harness(benchmark, setting.cache) as harness:
        found = read_programs(benchmark, answers)
        return summarize(harness, found, harness.run(found.samples, found.truncated)).to_json()
