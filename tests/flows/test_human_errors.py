"""From published sets to a trained model without a call of a model: what people got wrong is what is learned from."""

import json
from pathlib import Path

import pytest

from tests.problems.ingestion.published_rows import ROWS

SETTINGS = {
    "execution.wall_s": 20,  # the machine may be busy
    "pairs.benchmarks": [],
    "pairs.rejected": "random",
    "localization.empty": "anchor",
    "training.epochs": 2,
    "training.batch_size": 2,
    "training.micro_batch_size": 2,
    "training.max_prompt_length": 128,
    "training.max_length": 256,
    "training.validation_share": 0,
    "training.select": "last",
    "training.objectives.target-rpo.learning_rate": 1e-3,
}


@pytest.mark.slow
def test_right_and_wrong_programs_of_people_train_a_model(iterpref, make_model):
    import torch
    from safetensors.torch import load_file

    from iterpref_core.nanolab.byte_bpe import train_tokenizer

    def call(verb, **options):
        words = [word for key, value in options.items() for word in (f"--{key}", value)]
        words += [word for key, value in SETTINGS.items() for word in ("--set", f"{key}={value}")]
        code, _, err = iterpref(verb, *words)
        assert code == 0, err

    files = {name: Path(f"{name}.jsonl") for name in ("problems", "trajectories", "pairs", "spans")}
    for form in ("code_contests", "acecode"):
        Path("rows.jsonl").write_text(json.dumps(ROWS[form].row), encoding="utf-8")
        code, _, err = iterpref(
            "ingest", "rows.jsonl", "--format", form, "--visible", 1, "--out", "p.jsonl", "--trajectories", "t.jsonl"
        )
        assert code == 0, err
        for part, whole in (("p.jsonl", files["problems"]), ("t.jsonl", files["trajectories"])):
            with whole.open("a", encoding="utf-8") as file:
                file.write(Path(part).read_text(encoding="utf-8"))
    texts = [files[name].read_text(encoding="utf-8") for name in ("problems", "trajectories")]
    model = make_model(train_tokenizer(texts, 400))
    call("pair", trajectories=files["trajectories"], problems=files["problems"], model=model, out=files["pairs"])
    assert len(files["pairs"].read_text(encoding="utf-8").splitlines()) == 2
    call("localize", pairs=files["pairs"], out=files["spans"])
    call("train", objective="target-rpo", model=model, pairs=files["pairs"], spans=files["spans"], out="trained")
    before, after = (load_file(f"{folder}/model.safetensors") for folder in (model, "trained"))
    assert not all(torch.equal(before[name], after[name]) for name in before)
