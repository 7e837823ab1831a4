"""The stage trains, scores its reference once, writes its files, resumes, and refuses bad input."""

import hashlib
import json
import multiprocessing
import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from accelerate import PartialState

from iterpref_core.models.pretrained.chat_template import ChatTemplate
from iterpref_core.models.pretrained.fingerprint import model_fingerprint
from iterpref_core.models.pretrained.lineage import LINEAGE, ancestors, read_lineage
from iterpref_core.models.pretrained.tokenizers import load_tokenizer
from iterpref_core.nanolab.embedded_models import train_tokenizer
from iterpref_core.records import (
    OBJECTIVES,
    ConfigError,
    InputError,
    ModelError,
    ObjectiveParams,
    PromptFormat,
    TrainingResult,
)
from iterpref_core.training.data.batches import Collator
from iterpref_core.training.data.tokenized_dataset import open_tokenized_dataset
from iterpref_core.training.model.label_head import add_label_head
from iterpref_core.training.model.reference import reference_logps, reference_path
from iterpref_core.training.objectives.objective_settings import settings_of
from iterpref_core.training.trainer.checkpoint import last_checkpoint, run_key
from iterpref_core.training.trainer.settings import training_arguments
from iterpref_core.training.trainer.train_objective import train_objective

from .conftest import assert_equal_weights, read_curve, read_weights, scored, train_in


def test_reference_is_computed_once_and_read_back(tmp_path, inputs, params, tokenizer, model, monkeypatch):
    table = open_tokenized_dataset(inputs[0], ChatTemplate(tokenizer), "model", params, tmp_path / "pairs")
    path, batches = tmp_path / "key.npy", []
    add_label_head(model)
    collate = Collator.__call__
    monkeypatch.setattr(Collator, "__call__", lambda self, rows: batches.append(rows) or collate(self, rows))
    collator = Collator(OBJECTIVES["sft"], "fork", pad_token_id=0)
    first, again = (
        reference_logps(scorer, model.config, table, path, collator=collator, size=5, processes=PartialState())
        for scorer in (model, None)
    )
    assert (first == again).all()
    lengths = [row.length for batch in batches for row in batch]
    assert lengths == sorted((row.length for row in table), reverse=True), (
        "what does not fit into a card's memory ends a run in its first seconds"
    )
    table.reference = again
    for row, alone in zip(table, scored(model, list(table), 1), strict=True):
        assert row.ref_chosen == pytest.approx(alone.ref_chosen, abs=1e-4)
        assert row.ref_rejected == pytest.approx(alone.ref_rejected, abs=1e-4)


@pytest.mark.parametrize("objective", ["sft", "target-rpo"])
def test_an_objective_lowers_its_loss_and_leaves_a_model_with_its_lineage(inputs, trained, objective):
    metrics, folder = trained(objective, epochs=1)
    curve, out = read_curve(folder), folder / "out"
    assert float(curve[-1]["loss"]) < float(curve[0]["loss"])
    assert ("rewards/margins" in curve[0]) == OBJECTIVES[objective].preference
    assert {"model.safetensors", "tokenizer.json", "config.json"} <= {path.name for path in out.iterdir()}
    lineage = read_lineage(out)
    assert (lineage.commit, lineage.objective) == ("0123abc", objective)
    assert (lineage.pairs, lineage.steps, lineage.model_step) == (12, 3, 3)
    assert lineage.settings["learning_rate"] == 1e-3
    assert (metrics["pairs"], metrics["steps"], lineage.settings["epochs"]) == (12, 3, 1)
    assert TrainingResult.of_metrics(metrics).metrics() == metrics
    assert metrics["surviving_change"] == 1.0, "written in float32, as it was trained"
    assert lineage.data["pairs"] == hashlib.md5(inputs[0].read_bytes(), usedforsecurity=False).hexdigest()
    assert list((folder / "work" / "checkpoints").iterdir()) == []


def test_a_model_trained_on_plain_prompts_is_saved_without_a_chat_template(tmp_path, train, trained):
    _, auto = trained("target-rpo", epochs=1)
    train("plain", "target-rpo", epochs=1, prompt=PromptFormat(template="plain"))
    assert load_tokenizer(auto / "out").chat_template
    assert load_tokenizer(tmp_path / "plain" / "out").chat_template is None
    with pytest.raises(AssertionError):
        assert_equal_weights(auto, tmp_path / "plain")


def test_the_lineage_of_a_model_that_was_trained_twice_names_both_trainings_and_no_fingerprint_depends_on_it(
    tmp_path, inputs, train, trained
):
    first = shutil.copytree(trained("sft", epochs=1)[1] / "out", tmp_path / "first" / "out")
    weights = model_fingerprint(first)
    train("second", "dpo", (inputs[0], first), epochs=1)
    lineage = read_lineage(tmp_path / "second" / "out")
    assert [training.objective for training in ancestors(lineage)] == ["dpo", "sft"]
    assert (lineage.base, lineage.base_weights) == ("out", weights)
    (first / LINEAGE).unlink()
    assert model_fingerprint(first) == weights
    assert read_lineage(first) is None
    (first / LINEAGE).write_text("{}")
    with pytest.raises(InputError, match=r"lineage\.json: field 'base': Field required"):
        read_lineage(first)


def _train_and_die(folder, inputs, params, last_step):
    """Train in a copy of this process, which is killed after a step."""

    def die_late(_, step):
        if step >= last_step:
            os.kill(os.getpid(), signal.SIGKILL)

    copy = multiprocessing.get_context("fork").Process(
        target=train_in, args=(folder, inputs, "target-rpo", params, die_late)
    )
    copy.start()
    copy.join()
    assert copy.exitcode == -signal.SIGKILL


IN_FULL = {
    "validation_share": 0.3,
    "arguments": {
        "optim": "adamw_8bit", "lr_scheduler_type": "reduce_lr_on_plateau",
        "lr_scheduler_kwargs": {"patience": 0, "factor": 0.5, "threshold": 10.0},
    },
}  # fmt: skip
"""State of an optimizer and of a schedule that are not the usual ones."""


@pytest.mark.parametrize(
    "settings", [IN_FULL, pytest.param({"lora": {"r": 4}}, marks=pytest.mark.slow)], ids=["in full", "LoRA"]
)
def test_a_killed_run_resumes_and_ends_with_the_same_weights(settings, tmp_path, train, trained, params, inputs):
    settings = settings | {"epochs": 3}
    (uninterrupted, folder), killed = trained("target-rpo", **settings), tmp_path / "killed"
    _train_and_die(killed, inputs, params.model_copy(update=settings), 4)
    assert not (killed / "out").exists()
    checkpoint = last_checkpoint(next((killed / "work" / "checkpoints").iterdir()))
    assert checkpoint is not None
    assert 1 <= int(checkpoint.name.removeprefix("checkpoint-")) <= 4
    assert train("killed", "target-rpo", **settings) == uninterrupted
    assert (killed / "curve.csv").read_bytes() == (folder / "curve.csv").read_bytes()
    assert_equal_weights(folder, killed)
    lineages = [(each / "out" / LINEAGE).read_text() for each in (folder, killed)]
    assert lineages[0] == lineages[1]
    assert str(tmp_path.parent) not in lineages[0]
    assert model_fingerprint(folder / "out") == model_fingerprint(killed / "out")


CUT = ("model.safetensors", "optimizer.pt", "trainer_state.json", "reference", "pairs.arrow")
EVERY_SECOND = {"epochs": 3, "arguments": {"save_steps": 2}}


@pytest.fixture(scope="module")
def died(inputs, params, tmp_path_factory):
    """The folder of a training that was killed after its sixth step."""
    folder = tmp_path_factory.mktemp("died") / "killed"
    _train_and_die(folder, inputs, params.model_copy(update=EVERY_SECOND), 6)
    return folder


@pytest.mark.parametrize("cut", CUT)
def test_a_file_that_a_power_cut_has_shortened_is_not_read(cut, tmp_path, died, train, trained):
    """A checkpoint gives way to the one before, which is whole; pairs and reference are made again."""
    (uninterrupted, folder), killed = trained("target-rpo", **EVERY_SECOND), shutil.copytree(died, tmp_path / "killed")
    work = killed / "work"
    newest = last_checkpoint(next((work / "checkpoints").iterdir()))
    assert newest is not None
    paths = {"reference": next((work / "reference").glob("*.npy")), "pairs.arrow": next(work.rglob("pairs.arrow"))}
    path = paths.get(cut, newest / cut)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert last_checkpoint(newest.parent) != newest or cut in paths
    assert train("killed", "target-rpo", **EVERY_SECOND) == uninterrupted
    assert_equal_weights(folder, killed)


def test_checkpoints_of_a_run_that_was_killed_and_then_changed_are_named(tmp_path, train, caplog):
    left = [tmp_path / "run" / "work" / "checkpoints" / f"{name}-0123456789abcdef" for name in ("sft", "sft-rejected")]
    for folder in left:
        folder.mkdir(parents=True)
    train("run", "sft", epochs=1)
    assert f"checkpoints of other runs of sft stay until you remove them: {left[0]}\n" in caplog.text


def test_a_curve_has_twenty_points_or_every_step_and_the_last_one(tmp_path, trained, params):
    for epochs, every in ((2, 1), (41, 2)):
        once = params.model_copy(update={"epochs": epochs, "batch_size": 12, "micro_batch_size": 12})
        assert (
            training_arguments(once, settings_of("sft", once), 1, 12, tmp_path, validated=False).logging_steps == every
        )
    every_second = {"logging_steps": 2, "save_steps": 3}
    for settings, steps in (({}, [1, 2, 3]), ({"arguments": every_second}, [2, 3])):
        _, folder = trained("sft", epochs=1, **settings)
        assert [int(row["step"]) for row in read_curve(folder)] == steps


def test_a_folder_that_holds_anything_but_a_model_of_the_objective_is_left_alone(tmp_path, train, trained):
    out = shutil.copytree(trained("sft", epochs=1)[1] / "out", tmp_path / "run" / "out")
    train("run", "sft", epochs=1, nll="sum")
    lineage = read_lineage(out)
    assert (lineage.settings["nll"], lineage.settings["nll_of"]) == ("sum", "chosen")
    with pytest.raises(InputError, match="out: holds a model trained with sft, which training with rpo would replace"):
        train("run", "rpo")
    (out / LINEAGE).unlink()
    with pytest.raises(InputError, match="out: holds other files"):
        train("run", "sft")
    assert (out / "model.safetensors").is_file()


def test_another_model_can_be_the_reference(tmp_path, inputs, params, train, trained, make_model):
    start = inputs[1]
    train("same", "dpo", epochs=1, reference=str(start))
    _, round_one = trained("dpo", epochs=1)
    weights, same = read_weights(round_one), read_weights(tmp_path / "same")
    assert max((same[name] - weight).abs().max() for name, weight in weights.items()) < 2e-5
    second = (inputs[0], round_one / "out")
    still = {"epochs": 1, "objectives": params.objectives | {"dpo": ObjectiveParams(learning_rate=1e-9, beta=0.1)}}
    before = train("fixed", "dpo", second, reference=str(start), **still)
    again = train("own", "dpo", second, **still)
    assert before["rewards/margins"] > 10 * abs(again["rewards/margins"]), "it has moved away from the first model"
    with pytest.raises(ConfigError, match="has other tokens than the model that is trained"):
        train("other", "dpo", reference=str(make_model(train_tokenizer(["def f(x): return x"], 300))))


@pytest.fixture
def mistral(model_folder, tmp_path):
    """Writes the start as a Mistral with settings of its own, and returns its folder."""

    def make(**changes):
        folder = shutil.copytree(model_folder, tmp_path / "mistral")
        path = folder / "config.json"
        kind = {"model_type": "mistral", "architectures": ["MistralForCausalLM"]}
        path.write_text(json.dumps(json.loads(path.read_text()) | kind | changes))
        return str(folder)

    return make


def test_a_reference_with_a_window_is_scored_as_it_answers(train, mistral, tmp_path, caplog):
    reference = mistral(sliding_window=12)
    margins = []
    for layout in ("padded", "fork"):
        train(layout, "dpo", epochs=1, reference=reference, layout=layout)
        margins.append(float(read_curve(tmp_path / layout)[0]["rewards/margins"]))
    assert margins[1] == pytest.approx(margins[0], rel=0.01, abs=0)
    assert "training.layout: padded instead of fork, which is faster: mistral has sliding_window: 12" in caplog.text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"rope_parameters": {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 1e4}},
            "mistral: config.json: rope_type",
        ),
        ({"is_causal": False}, "mistral: its predictions depend on later tokens"),
    ],
)
def test_a_reference_that_no_row_can_be_scored_with_is_named(changes, said, train, mistral):
    with pytest.raises(ModelError, match=f"^training.reference: .*{said}"):
        train("run", "dpo", reference=mistral(max_position_embeddings=16, **changes))


@pytest.mark.parametrize("name", ["pairs", "curve", "scratch"])
def test_no_path_of_a_training_lies_in_the_folder_that_the_model_replaces(name, inputs, params, tmp_path):
    """A killed run could not go on, and a file would be gone."""
    out = tmp_path / "out"
    places = {"pairs": inputs[0], "curve": tmp_path / "curve.csv", "scratch": tmp_path / "work"}
    places[name] = out / name
    with pytest.raises(InputError, match=f"{name}: {name} lies in .*out, which the trained model replaces"):
        train_objective(model=inputs[1], objective="dpo", params=params, out=out, **places)


def test_a_checkpoint_belongs_to_its_settings_its_row_and_its_code(inputs, params, monkeypatch):
    def key(fingerprint="model", objective="dpo", **settings):
        return run_key({"pairs": "md5"}, fingerprint, objective, params.model_copy(update=settings))

    before, other = key(), ObjectiveParams(learning_rate=9.0, beta=9.0)
    assert key(objectives=params.objectives | {"target-dpo": other}) == before, "other objectives do not count"
    assert before not in (key(objectives={"dpo": other}), key(objective="rpo"), key("other"))
    for change in ({"rejected": "focal"}, {"chosen": "focal"}, {"loss": "other"}, {"nll_of": "chosen"}):
        with monkeypatch.context() as patched:
            patched.setitem(OBJECTIVES, "dpo", replace(OBJECTIVES["dpo"], **change))
            assert key() != before, change
    monkeypatch.setattr("iterpref_core.training.trainer.checkpoint.code_digest", lambda *_: "another version")
    assert key() != before


@pytest.fixture
def key_of_reference(model, params):
    def key(tokens="tokens", fingerprint="model", processes="", **settings):
        stated = params.model_copy(update=settings)
        rows = SimpleNamespace(checks=SimpleNamespace(tokens=tokens))
        return reference_path(Path("cache"), rows, fingerprint, stated, model, processes, stated.layout).name

    return key


def test_reference_log_probabilities_belong_to_all_that_makes_them(model, params, key_of_reference, monkeypatch):
    """Every setting that is not known to come later, so that a new setting counts."""
    lora = {"r": 4}
    changes = [
        {}, {"tokens": "other"}, {"fingerprint": "other"}, {"processes": "-fsdp-2"}, {"load": "bf16"}, {"bf16": True},
        {"micro_batch_size": 2}, {"layout": "padded"}, {"arguments": {"tf32": True}}, {"lora": lora},
        {"lora": lora, "seed": params.seed + 1},
        *({"lora": lora | more} for more in (
            {"init_lora_weights": False}, {"init_lora_weights": "pissa_niter_4"}, {"r": 8}, {"use_dora": True},
            {"layer_replication": [[0, 2], [1, 2]]}, {"target_modules": ["q_proj"]},
        )),
    ]  # fmt: skip
    keys = [key_of_reference(**change) for change in changes]
    assert key_of_reference() == keys[0]
    model.config._attn_implementation = "eager"
    keys.append(key_of_reference())
    model.half()
    keys.append(key_of_reference())
    for name in ("code_digest", "training_versions"):
        monkeypatch.setattr(f"iterpref_core.training.model.reference.{name}", lambda *_: "another version")
        keys.append(key_of_reference())
    assert len(set(keys)) == len(keys)


def test_objectives_seeds_and_rates_share_one_reference(key_of_reference, params):
    changes = {"epochs": 9, "seed": 9, "objectives": {}, "max_margin": 1.0}
    changes |= {"batch_size": 8, "warmup_ratio": 0.5, "validation_share": 0.5, "merge": False, "save_dtype": "float32"}
    assert len({key_of_reference(), *(key_of_reference(**{name: value}) for name, value in changes.items())}) == 1


def test_a_model_that_is_not_there_is_said_before_anything_is_written(tmp_path, inputs, train):
    with pytest.raises(ModelError, match="absent"):
        train("run", "dpo", (inputs[0], tmp_path / "absent"))
    assert list(tmp_path.iterdir()) == []
