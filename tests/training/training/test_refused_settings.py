"""Settings that cannot be trained are refused by name, before a model is loaded and anything is written."""

import math
import shutil

import pytest
from safetensors.torch import load_file, save_file

from iterpref_core.records import ConfigError

from .conftest import SETTINGS

STARTS = [
    ({"lora": {"init_lora_weights": start}}, "lora.init_lora_weights", "") for start in SETTINGS["refused starts"]
]


@pytest.fixture(scope="module")
def not_loaded(model_folder, tmp_path_factory):
    """A model with a weight that is NaN, so that to load it would raise another error."""
    folder = shutil.copytree(model_folder, tmp_path_factory.mktemp("broken") / "model")
    weights = load_file(folder / "model.safetensors")
    weights["model.norm.weight"][0] = math.nan
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return folder


@pytest.mark.filterwarnings("ignore:Both num_training_steps and num_stable_steps:UserWarning")
@pytest.mark.parametrize(("settings", "place", "reason"), SETTINGS["refused"] + STARTS)
def test_a_setting_that_cannot_be_taken_is_refused_by_name(
    place, settings, reason, not_loaded, inputs, train, tmp_path
):
    with pytest.raises(ConfigError) as refused:
        train("run", "target-rpo", (inputs[0], not_loaded), **{"epochs": 6} | settings)
    assert str(refused.value).startswith(f"params.yaml: training.{place}: ")
    assert reason in str(refused.value)
    assert not (tmp_path / "run" / "out").exists()
