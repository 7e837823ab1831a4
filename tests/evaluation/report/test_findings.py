"""The headline follows the data, whichever way it goes."""

import shutil

import pytest

from iterpref_core.evaluation.report.findings import findings, headline


@pytest.mark.parametrize(
    ("passed", "expected"),
    [
        (
            {},
            "raised held-out pass@1 from 35.0% to 80.0%, 5.0 points above the best baseline, SFT on chosen (75.0%).",
        ),
        (
            {"target-rpo": 30},
            "lowered held-out pass@1 from 35.0% to 15.0%, 60.0 points below the best baseline, SFT on chosen (75.0%).",
        ),
        (
            {"target-rpo": 71, "rpo": 72, "sft": 69},
            """did not significantly change held-out pass@1 (35.0% before, 35.5% after), \
not significantly different from the best baseline, RPO (36.0%).""",
        ),
    ],
)
def test_the_headline_says_what_happened(experiment, passed, expected):
    for name, number in passed.items():
        experiment.write_results(name, number)
    assert headline(experiment.summarize()) == f"Focal preference training (Target-RPO) {expected}"


def test_comparisons_and_harm_stand_under_the_headline(experiment):
    sentences = findings(experiment.summarize())
    assert sentences[0] == (
        "Target-RPO is better than SFT on chosen: +5.0 points, 95% interval +2.7 to +9.0, p = 0.002."
    )
    assert sentences[1].startswith("Target-RPO is better than RPO: +10.0 points")
    assert sentences[2].startswith("Target-DPO is better than DPO: +25.0 points")
    assert sentences[3] == "Worse than the base model (35.0%): DPO (20.0%)."


def test_headline_without_the_full_set_of_models(experiment):
    for gone, end in (
        ("sft", "10.0 points above the best baseline, RPO (70.0%)."),
        ("rpo", "60.0 points above the best baseline, DPO (20.0%)."),
        ("target-rpo", "from 35.0% to 45.0%, 25.0 points above the best baseline, DPO (20.0%)."),
        ("dpo", "from 35.0% to 45.0%; no baseline was measured."),
        ("base", "solves 45.0% of the held-out problems; the base model was not measured."),
        ("target-dpo", "this run cannot show what focal preference training does."),
    ):
        shutil.rmtree(experiment.files.results / gone)
        assert headline(experiment.summarize()).endswith(end)
