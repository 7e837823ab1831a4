"""Held-out benchmark: time limits are a multiple of what the reference needs; own code stays on this machine."""

from iterpref_core.evaluation.benchmarks.benchmark import PromptMode
from iterpref_core.evaluation.benchmarks.heldout.suite import Heldout
from iterpref_core.records import OWN_CODE, IoTest, Problem, Sample
from iterpref_core.storage.jsonl import write_jsonl
from tests import settings
from tests.evaluation.evaluation.scoring import score
from tests.settings import changed

EXECUTION = changed(settings.EXECUTION, cpu_s=0.05, wall_s=5, file_mb=4)


def spin(seconds):
    return f"from time import process_time\ndef f():\n    while process_time() < {seconds}: pass\n    return 1\n"


def problem(task_id, reference):
    return Problem(
        task_id=task_id,
        prompt="?",
        entry_point="f",
        tests=(IoTest(call="f()", expected="1"),),
        reference=reference,
        split="heldout",
    )


def opened(folder, *problems):
    write_jsonl(folder / "problems.jsonl", problems)
    return Heldout("heldout", folder / "problems.jsonl", EXECUTION)


def test_a_slow_reference_gives_everybody_time_and_a_failing_one_is_named(tmp_path, caplog):
    references = {"slow": spin(0.1), "quick": spin(0), "hangs": spin(60), "none": None}
    heldout = opened(tmp_path, *map(problem, references, references.values()))

    def entry_of(seconds):
        samples = [Sample(task_id=problem.task_id, solution=spin(seconds)) for problem in heldout.tasks.values()]
        return score(heldout, samples, tmp_path)

    assert entry_of(0.2)["passed"] == ["slow"]
    entry = entry_of(0.0)
    assert entry["passed"] == ["slow", "quick", "hangs", "none"]
    reasons = {"hangs": "time limit of 0.2 s exceeded in f()"}
    assert entry["ground_truth"] == {"n": 3, "passed": 2, "failed": ["hangs"], "reasons": reasons}
    assert (entry["n"], entry["limits"]["reference_factor"]) == (4, 4.0)
    assert "1 of the benchmark's canonical solutions fail, such as hangs" in caplog.text


def test_prompts_of_own_code_are_private(tmp_path):
    own = changed(problem("acme/1", spin(0)), source=f"{OWN_CODE}acme")
    heldout = opened(tmp_path, own, problem("plain", spin(0)))
    mode = PromptMode(instruct=False)
    assert [heldout.prompt(task, mode).private for task in heldout.tasks.values()] == [True, False]
