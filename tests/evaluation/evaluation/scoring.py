"""Scores of programs that a test writes, without a model and without a file."""

from dataclasses import replace

from iterpref_core.evaluation.benchmarks.harness import open_harness
from iterpref_core.evaluation.benchmarks.suites import open_benchmark
from iterpref_core.evaluation.evaluation.answer_reading import FoundPrograms, read_programs
from iterpref_core.evaluation.evaluation.scores import summarize


def measuring(setting, *benchmarks, **values):
    """The setting for these benchmarks, with other values in its section `evaluation`."""
    evaluation = setting.params.evaluation.model_copy(update={"benchmarks": benchmarks, **values})
    return replace(setting, params=setting.params.model_copy(update={"evaluation": evaluation}))


def score(benchmark, samples, cache):
    """The result of samples that are whole programs, as it stands in results.json."""
    tasks = [benchmark.tasks[sample.task_id] for sample in samples]
    programs = [sample.solution or "" for sample in samples]
    found = FoundPrograms(tasks, programs, programs)
    with open_harness(benchmark, cache) as harness:
        return summarize(harness, found, harness.run(found.samples)).to_json()


def ask(benchmark, sampler, cache):
    """The result of a model on a benchmark, and the programs behind it."""
    with open_harness(benchmark, cache) as harness:
        found = read_programs(benchmark, sampler.answer(benchmark))
        return summarize(harness, found, harness.run(found.samples, found.truncated)), found.samples


def asked(name, sampler, setting):
    """The result of a model on a benchmark, as it stands in results.json."""
    result, _ = ask(open_benchmark(name, setting), sampler, setting.cache)
    return result.to_json()
