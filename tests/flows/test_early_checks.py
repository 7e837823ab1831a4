"""Settings that a late stage would refuse are refused by `doctor`, and by `run` before the first stage starts."""

from pathlib import Path

import pytest
import yaml

from flows.display import Terminal
from flows.run_stages import bring_up_to_date
from iterpref_core.records import InputError, IoTest, Problem, load_params, with_values
from iterpref_core.storage.jsonl import write_jsonl
from tasks.doctor import examine_settings
from tasks.early_checks import refusals
from tasks.profiles import write_values
from tests.settings import PARAMS
from tests.texts import PAIR, read_table, write_files, written

STAGES = ["problems", "codeflow", "pairs", "training@sft", "training@dpo", "evaluation@dpo", "report"]
STEP = {"cmd": "touch ran", "outs": ["ran"]}


REFUSED = """
training.arguments | {no_such_argument: 4} | training@sft | no_such_argument
training.lora | {target: all} | training@sft | training.lora.target
training.select | best | training@sft | set training.validation_share
training.early_stopping_patience | 3 | training@sft | set training.validation_share
training.accelerate | none.yaml | training@sft | none.yaml is not there
training.micro_batch_size | 5 | training@sft | no multiple of training.micro_batch_size
training.load | 4bit | training@sft | set training.lora
training.start | /no/such | training@sft | /no/such
pairs.benchmarks | [no-such] | pairs | no benchmark 'no-such'
inference.backend | openai | codeflow | needs the URL of an endpoint
"""


@pytest.mark.parametrize(("key", "value", "stage", "told"), read_table(REFUSED))
def test_a_setting_that_a_late_stage_would_refuse_is_refused_at_once(key, value, stage, told):
    [(refusing, message)] = refusals(STAGES, with_values(PARAMS, {key: yaml.safe_load(value)}))
    assert refusing == stage
    assert told in message


def test_pairs_of_ones_own_may_be_of_the_split_validation(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    written(write_files(tmp_path, {"pairs/mine.jsonl": ""}) / "pairs/mine.jsonl", PAIR | {"split": "validation"})
    assert not list(refusals(["training@sft"], with_values(PARAMS, {"training.select": "best"})))


def test_a_copy_of_a_benchmark_that_is_not_there_is_refused_at_once(monkeypatch):
    monkeypatch.setenv("MBPP_OVERRIDE_PATH", "/no/such.jsonl")
    [(refusing, message)] = refusals(STAGES, with_values(PARAMS, {"evaluation.benchmarks": ["heldout", "mbpp+"]}))
    assert refusing == "evaluation@dpo"
    assert "MBPP_OVERRIDE_PATH=/no/such.jsonl: no such file" in message


def test_a_split_without_a_problem_is_refused_at_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own = with_values(PARAMS, {"problems.validation": 0, "evaluation.benchmarks": ["validation"]})
    problem = Problem(task_id="mine/1", prompt="Add one.", entry_point="f", tests=(IoTest(call="f(1)", expected="2"),))
    write_jsonl(Path("problems/mine.jsonl"), [problem, problem.model_copy(update={"task_id": "2", "split": "heldout"})])
    [(refusing, message)] = refusals(STAGES, own)
    assert (refusing, "no problem of the split validation" in message) == ("evaluation@dpo", True)
    write_jsonl(Path("problems/more.jsonl"), [problem.model_copy(update={"task_id": "3", "split": "validation"})])
    assert not list(refusals(STAGES, own))


def test_benchmarks_none_of_which_can_be_had_are_refused_at_once_and_not_if_one_can(tmp_path, monkeypatch):
    def offline(*_, **__):
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr("urllib.request.urlopen", offline)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name in ("HUMANEVAL", "MBPP"):
        monkeypatch.delenv(f"{name}_OVERRIDE_PATH", raising=False)
    published = with_values(PARAMS, {"evaluation.benchmarks": ["humaneval+", "mbpp"]})
    [(refusing, message)] = refusals([*STAGES, "evaluation@sft"], published)
    assert (refusing, "HumanEvalPlus" in message, "MbppPlus" in message) == ("evaluation@dpo", True, True)
    assert not list(refusals(STAGES, with_values(published, {"evaluation.benchmarks": ["heldout", "mbpp"]})))


@pytest.mark.usefixtures("dvc_in_this_process")
def test_run_refuses_before_the_first_stage_and_only_what_will_run(toy_checkout, monkeypatch):
    monkeypatch.setattr("tasks.mlflow.sync.write_entry", print)
    pairs = {"cmd": "cp ran pairs", "deps": ["ran"], "outs": ["pairs"]}
    toy_checkout({"problems": STEP, "pairs": pairs}, {".gitignore": ".iterpref\nran\npairs\n"})
    write_values({"pairs.benchmarks": ["no-such"]})
    with pytest.raises(InputError, match=r"stage pairs: .*no benchmark 'no-such'"):
        bring_up_to_date((), {}, 1, Terminal())
    assert not Path("ran").exists()
    (found,) = [item for item in examine_settings(load_params()) if item.status == "missing"]
    assert found.name == "settings: pairs"
    bring_up_to_date(("problems",), {}, 1, Terminal())
    assert Path("ran").exists(), "it does not need the setting"
    assert [item.name for item in examine_settings(PARAMS)] == ["experiment", "settings"], "all is well"
