"""A model's identity changes with what decides its answers, and with nothing else."""

import shutil

import pytest

from iterpref_core.models.pretrained.checkpoints import ModelSource, write_pointer
from iterpref_core.models.pretrained.fingerprint import model_fingerprint
from iterpref_core.records import ModelError


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(bytes(1000))
    return folder


def test_a_copy_is_the_same_model_and_so_is_a_pointer_to_it(model, tmp_path):
    shutil.copytree(model, tmp_path / "copy")
    write_pointer(tmp_path / "stage", ModelSource(str(model)))
    assert model_fingerprint(model) == model_fingerprint(tmp_path / "copy") == model_fingerprint(tmp_path / "stage")


@pytest.mark.parametrize(("name", "content"), [("config.json", "{} "), ("tokenizer.json", "{}")])
def test_any_file_counts(model, name, content):
    before = model_fingerprint(model)
    (model / name).write_text(content)
    assert model_fingerprint(model) != before


def test_no_model_is_an_error(tmp_path):
    with pytest.raises(ModelError):
        model_fingerprint(tmp_path / "none")
