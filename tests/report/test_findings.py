"""The headline follows the data, whichever way it goes."""

import shutil
from types import SimpleNamespace

from iterpref_core.report.findings import findings, headline
from iterpref_core.report.summary import Summary, build_summary


def build(experiment: SimpleNamespace) -> Summary:
    return build_summary(experiment.results, experiment.metrics, experiment.params, experiment.lock)


def test_a_gain_is_called_a_gain(experiment: SimpleNamespace) -> None:
    text = headline(build(experiment))
    assert text.startswith("Target-RPO raised held-out pass@1: 35.0% before, 80.0% after; it is better than RPO (+10.0")


def test_a_loss_is_called_a_loss(experiment: SimpleNamespace) -> None:
    experiment.write_results("target-rpo", 30)
    text = headline(build(experiment))
    assert text.startswith("Target-RPO lowered held-out pass@1: 35.0% before, 15.0% after; it is worse than RPO (−55.0")


def test_a_difference_within_the_noise_is_called_none(experiment: SimpleNamespace) -> None:
    experiment.write_results("target-rpo", 71)
    experiment.write_results("rpo", 71)
    text = headline(build(experiment))
    assert text == (
        "Target-RPO did not measurably change held-out pass@1: 35.0% before, 35.5% after; "
        "it is not measurably different from RPO (0.0 points, 95% interval 0.0 to 0.0, p = 1.000)."
    )


def test_harm_is_reported_under_the_headline(experiment: SimpleNamespace) -> None:
    sentences = findings(build(experiment))
    assert "Worse than the base model (35.0%): DPO (20.0%)." in sentences
    assert any("Target-RPO is better than SFT on chosen (+5.0 points" in sentence for sentence in sentences)


def test_headline_without_the_full_set_of_models(experiment: SimpleNamespace) -> None:
    shutil.rmtree(experiment.results / "rpo")
    assert headline(build(experiment)) == "Target-RPO raised held-out pass@1: 35.0% before, 80.0% after."
    shutil.rmtree(experiment.results / "target-rpo")
    assert headline(build(experiment)).startswith("Target-DPO raised held-out pass@1: 35.0% before, 45.0% after; it is")
    shutil.rmtree(experiment.results / "target-dpo")
    assert headline(build(experiment)).startswith("No focal objective has been measured yet")
    assert findings(build(experiment))
