"""Checks of the data before training find the faults that were put into pairs by hand."""

import logging
from dataclasses import replace

import pytest

from iterpref_core.records import InputError
from iterpref_core.storage.jsonl import write_jsonl
from iterpref_core.training.data.measures import Finding, report_findings
from iterpref_core.training.data.tokenized_pair import TokenizedPair

from .conftest import checks_of


def row(prompt, chosen, rejected, focal="", truncated=(0, 0, 0, 0)):
    """Programs as digits, one a token; `focal` has a 1 for each rejected token in D-."""
    marks = [int(mark) for mark in focal.ljust(len(rejected), "0")]
    parts = ("prompt_truncated", "chosen_truncated", "rejected_truncated", "focal_truncated")
    return TokenizedPair(
        prompt_ids=[7] * prompt,
        chosen_ids=[*map(int, chosen)],
        rejected_ids=[*map(int, rejected)],
        focal=marks,
        focal_chosen=[0] * len(chosen),
        task_id="p",
        **dict(zip(parts, truncated, strict=True)),
    )


GOOD, OTHER = row(1, "129", "139", "01"), row(2, "149", "159", "01")
EMPTY, LOST, CUT = (
    row(1, "129", "139"),
    row(1, "1", "1", truncated=(0, 1, 2, 2)),
    row(1, "19", "13", "01", (0, 0, 1, 1)),
)


def test_error_regions_are_empty_lost_or_cut_and_never_two_of_these():
    checks = checks_of([GOOD, EMPTY, LOST, CUT])
    counts = checks.counts()
    assert [counts[f"focal_{kind}"] for kind in ("empty", "lost", "cut")] == [1, 1, 1]
    assert (counts["chosen_cut"], len(checks)) == (1, 4)
    assert checks.numbers()["focal_lost_share"] == 0.25


def test_repetitions_are_counted_apart_from_other_rejected_programs():
    texts = [(1, "129", "139"), (1, "129", "139"), (1, "129", "149"), (2, "129", "139"), (1, "129", "149")]
    only_goes_on = [row(4, "123", "12"), row(5, "12", "123")]
    counts = checks_of([*(row(*text) for text in texts), row(3, "19", "19"), *only_goes_on]).counts()
    assert (counts["same_pair"], counts["same_chosen"], counts["no_difference"]) == (2, 1, 1)


@pytest.mark.parametrize(("focal", "forked", "after"), [("0011", 11, 2), ("", 9, 6)])
def test_fork_saves_the_shared_beginning_and_what_follows_the_error_region(focal, forked, after):
    """Prompt 3, chosen 6, rejected 6, 2 tokens are shared; without D- the rejected program does not count."""
    numbers = checks_of([row(3, "123459", "126459", focal)]).numbers()
    shares = [numbers[f"{name}_token_share"] for name in ("fork", "shared_prefix", "after_focal")]
    assert shares == [forked / 18, 2 / 6, after / 6]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([GOOD] * 95 + [CUT] * 5, None),
        ([GOOD] * 94 + [CUT] * 6, r"wholly or partly: 6 of 100 pairs \(6.0%\), more than 5%; raise .*max_length = 256"),
        ([GOOD] * 5 + [EMPTY] * 5, None),
        (
            [GOOD] * 4 + [EMPTY] * 6,
            r"D- is empty: 6 of 10 pairs \(60.0%\), more than 50%; mark the pairs that bring no rej",
        ),
    ],
)
def test_a_run_stops_where_d_minus_is_missing_or_cut_too_often(rows, message, params):
    checks = checks_of(rows)
    report_findings(checks.findings(params, regional=False))
    if message is None:
        report_findings(checks.findings(params))
        return
    with pytest.raises(InputError, match=message):
        report_findings(checks.findings(params))


@pytest.mark.parametrize("regional", [True, False])
def test_an_empty_chosen_program_stops_every_objective(regional, params):
    """SFT and RPO learn it."""
    rows = [*[GOOD] * 9, replace(GOOD, blank=1)]
    with pytest.raises(InputError, match="the chosen program is empty: 1 of 10 pairs"):
        report_findings(checks_of(rows).findings(params, regional=regional))


def test_what_stops_a_run_is_logged_even_where_it_does_not(caplog):
    findings = [Finding(True, "a; do b"), Finding(False, "c; do d"), Finding(True, "e; do f")]
    with caplog.at_level(logging.WARNING), pytest.raises(InputError, match=r"^a; do b; e; do f$"):
        report_findings(findings)
    assert [record.getMessage() for record in caplog.records] == ["data: a; do b", "data: c; do d", "data: e; do f"]


def test_every_finding_says_what_to_do_and_good_data_has_none(params):
    assert not list(checks_of([GOOD, OTHER]).findings(params.model_copy(update={"batch_size": 2})))
    [few] = checks_of([GOOD, OTHER]).findings(params.model_copy(update={"batch_size": 2}), validated=1)
    assert "each of 2 epochs is one step): 1 of 2 pairs" in few.text, "a row that is held out is in no batch"
    whole = row(1, "129", "569", "11", (5, 1, 0, 0))
    checks = checks_of([whole, whole, row(1, "129", "589", "11")])
    texts = [finding.text.split("; ") for finding in checks.findings(params)]
    assert all(len(text) == 2 for text in texts), "what is wrong; what to do"
    assert [text for text, _ in texts] == [
        "D- is 100.0% of the rejected programs, so that focal objectives equal plain ones",
        "the chosen program loses its end, and never learns to stop: 2 of 3 pairs (66.7%)",
        "the prompt loses its start: 2 of 3 pairs (66.7%)",
        "fewer pairs than one batch (batch_size = 4, so each of 2 epochs is one step): 3 of 3 pairs (100.0%)",
        "a repetition of an earlier pair: 1 of 3 pairs (33.3%)",
        "an earlier prompt and chosen with another rejected: 1 of 3 pairs (33.3%)",
    ]


def test_a_training_that_needs_regions_is_refused_without(tmp_path, inputs, train, pair_records):
    bare = tmp_path / "bare.jsonl"
    write_jsonl(bare, [pair.model_copy(update={"rejected_spans": None}) for pair in pair_records])
    with pytest.raises(InputError, match=r"D- is empty: 12 of 12 pairs"):
        train("run", "target-dpo", (bare, inputs[1]))
    assert not (tmp_path / "run" / "out").exists()
