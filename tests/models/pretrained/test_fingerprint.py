"""A model's identity changes with what decides its answers, and with nothing else."""

import shutil

import pytest

from iterpref_core.models.pretrained.checkpoints import ModelSource, write_pointer
from iterpref_core.models.pretrained.fingerprint import model_fingerprint
from iterpref_core.records import ModelError
from tests.texts import write_files


def test_a_copy_is_the_same_model_and_so_is_a_pointer_to_it_and_any_file_counts(tmp_path):
    files = {"model/config.json": "{}", "model/model.safetensors": "\0" * 1000}
    model = write_files(tmp_path, files) / "model"
    shutil.copytree(model, tmp_path / "copy")
    write_pointer(tmp_path / "stage", ModelSource(str(model)))
    same, pointed, before = (model_fingerprint(tmp_path / name) for name in ("copy", "stage", "model"))
    assert same == pointed == before
    found = {before}
    for name, content in (("config.json", "{} "), ("tokenizer.json", "{}")):
        (model / name).write_text(content)
        found.add(model_fingerprint(model))
    assert len(found) == 3


def test_no_model_is_an_error(tmp_path):
    with pytest.raises(ModelError):
        model_fingerprint(tmp_path / "none")
