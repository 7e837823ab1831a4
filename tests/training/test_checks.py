"""What is said of the data before training, against pairs whose faults were put there by hand."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from transformers import PreTrainedTokenizerBase

from iterpref_core.config import TrainingParams
from iterpref_core.errors import InputError
from iterpref_core.records import FocalSpans, PreferencePair
from iterpref_core.storage.jsonl import write_jsonl
from iterpref_core.training.checks import (
    Finding,
    PairChecks,
    check_pairs,
    quantile,
    report_findings,
)
from iterpref_core.training.dataset import TokenizedPair, load_pairs
from iterpref_core.training.training import train_objective

END = 9


def row(prompt: int, chosen: str, rejected: str, focal: str = "", cut: int = 0) -> TokenizedPair:
    """Programs as digits, one a token; `focal` has a 1 for each rejected token in D-."""
    marks = [int(mark) for mark in focal.ljust(len(rejected), "0")]
    return TokenizedPair(
        task_id="p",
        prompt_ids=[7] * prompt,
        chosen_ids=[int(token) for token in chosen],
        rejected_ids=[int(token) for token in rejected],
        focal=marks,
        focal_chosen=[0] * len(chosen),
        cut=cut,
    )


def checked(*pairs: tuple[TokenizedPair, TokenizedPair], end: int = END, without_spans: int = 0) -> PairChecks:
    checks = PairChecks(end, without_spans)
    for cut, whole in pairs:
        checks.add(cut, whole)
    return checks


def check_rows(rows: Sequence[TokenizedPair], end: int, without_spans: int = 0) -> PairChecks:
    return checked(*zip(rows, rows, strict=True), end=end, without_spans=without_spans)


def test_error_regions_are_empty_lost_or_cut_and_never_two_of_these() -> None:
    checks = check_rows(
        [row(2, "129", "139", "010"), row(2, "129", "149"), row(2, "1", "15", "01", cut=2), row(2, "1", "16", cut=3)],
        END,
    )
    counts = checks.counts()
    assert (counts["focal_empty"], counts["focal_cut"], counts["focal_lost"], len(checks)) == (1, 1, 1, 4)
    assert counts["chosen_cut"] == 2
    assert checks.numbers()["focal_lost_share"] == 0.25


def test_repetitions_are_counted_apart_from_other_rejected_programs() -> None:
    rows = [
        row(1, "129", "139"),
        row(1, "129", "139"),
        row(1, "129", "149"),
        row(2, "129", "139"),
        row(1, "129", "149"),
    ]
    counts = check_rows([*rows, row(3, "19", "19")], END).counts()
    assert (counts["same_pair"], counts["same_chosen"], counts["no_difference"]) == (2, 1, 1)


def test_a_repetition_is_one_of_whole_texts_not_of_what_is_left_of_them() -> None:
    first, second = row(9, "12359", "149"), row(9, "12459", "149")
    left = row(2, "12", "14")
    assert checked((left, first), (left, second)).counts()["same_pair"] == 0
    assert check_rows([left, left], END).counts()["same_pair"] == 1


def test_fork_saves_the_shared_beginning_and_what_follows_the_error_region() -> None:
    # prompt 3, chosen 6, rejected 6: 2 tokens shared, D- ends after 4, so the fork computes 3 + 6 + 2 of 18 tokens
    checks = check_rows([row(3, "123459", "126459", "0011")], END)
    numbers = checks.numbers()
    assert numbers["fork_token_share"] == 11 / 18
    assert numbers["shared_prefix_token_share"] == 2 / 6
    assert numbers["after_focal_token_share"] == 2 / 6
    empty = check_rows([row(3, "123459", "126459")], END)
    assert empty.numbers()["fork_token_share"] == 9 / 18, "without D- nothing of the rejected program counts"


def test_lengths_are_those_before_anything_was_cut() -> None:
    whole = row(40, "1" * 10, "1" * 29 + "9")
    checks = checked((row(16, "1" * 10, "1" * 14, cut=0), whole), (row(1, "9", "9"), row(1, "9", "9")))
    numbers = checks.numbers()
    assert (numbers["prompt_tokens_p50"], numbers["prompt_tokens_p100"], numbers["pair_tokens_p100"]) == (1, 40, 70)
    assert checks.counts()["prompts_cut"] == 1
    assert checks.histogram()["pair"] == {"<4": 1, "<128": 1}
    assert checks.histogram()["chosen"] == {"<2": 1, "<16": 1}


@pytest.mark.parametrize("percent", [1, 50, 95, 100])
def test_quantiles_are_those_of_the_sorted_values(percent: int) -> None:
    values = [5, 1, 3, 3, 8, 2, 100, 7, 7, 7]
    assert quantile(np.array(values), percent) == sorted(values)[-(-len(values) * percent // 100) - 1]
    assert quantile(np.array([]), percent) == 0


def _stops(rows: list[TokenizedPair], params: TrainingParams) -> list[str]:
    return [finding.text for finding in check_rows(rows, END).findings(params) if finding.stops]


def test_a_run_stops_where_d_minus_is_missing_or_cut_too_often_and_only_there(params: TrainingParams) -> None:
    good, empty, cut = row(1, "129", "139", "01"), row(1, "129", "139"), row(1, "129", "139", "01", cut=1)
    assert _stops([good] * 95 + [cut] * 5, params) == []
    (found,) = _stops([good] * 94 + [cut] * 6, params)
    assert "partly in 6 of 100 pairs, more than 5%" in found
    assert "raise training.max_length = 256" in found
    assert _stops([good] * 5 + [empty] * 5, params) == []
    (found,) = _stops([good] * 4 + [empty] * 6, params)
    assert "D- is empty in 6 of 10 pairs (60.0%), more than 50%: set localization.empty" in found
    (found,) = _stops([empty] * 3, params)
    assert "no pair has a token in D-" in found


def test_every_finding_says_what_to_do_and_good_data_has_none(params: TrainingParams) -> None:
    good = check_rows([row(1, "129", "139", "01"), row(2, "149", "159", "01")], END)
    assert list(good.findings(params.model_copy(update={"batch_size": 2}))) == []
    (few,) = good.findings(params)
    assert few == Finding(
        False,
        "fewer pairs than one batch (training.batch_size = 4, so each of 2 epochs is one step): 2 of 2 pairs (100.0%); "
        "lower it, or bring more",
    )
    bad = [row(1, "129", "139", "01"), row(1, "129", "139", "01"), row(1, "129", "149", "01"), row(1, "19", "19")]
    checks = check_rows([*bad, row(1, "12", "13", "01")], END)
    texts = [finding.text for finding in checks.findings(params)]
    assert len(texts) == 5
    assert all(": " in text or "; " in text for text in texts)
    assert not any(finding.stops for finding in checks.findings(params))


def test_streamed_pairs_and_training_rows_agree_where_nothing_is_cut(
    pairs_file: Path,
    spans_file: Path,
    pair_records: list[PreferencePair],
    span_records: list[FocalSpans],
    tokenizer: PreTrainedTokenizerBase,
    params: TrainingParams,
) -> None:
    joined = list(zip(pair_records, span_records, strict=True))
    streamed = check_pairs(iter(joined), tokenizer, params)
    rows = load_pairs(pairs_file, spans_file, tokenizer, params)
    whole = check_rows(rows, tokenizer.eos_token_id)
    assert (streamed.counts(), streamed.numbers()) == (whole.counts(), whole.numbers())
    short = params.model_copy(update={"max_prompt_length": 3, "max_length": 13})
    cut = check_pairs(iter(joined), tokenizer, short)
    counts = cut.counts()
    assert (counts["prompts_cut"], counts["chosen_cut"], counts["focal_lost"] + counts["focal_cut"]) == (12, 12, 12)
    assert cut.histogram() == streamed.histogram()
    assert any("(the longest pair has" in finding.text for finding in cut.findings(short))


def test_training_reports_the_numbers_and_refuses_useless_regions_only_where_they_count(
    tmp_path: Path,
    pairs_file: Path,
    model_folder: Path,
    span_records: list[FocalSpans],
    params: TrainingParams,
    caplog: pytest.LogCaptureFixture,
) -> None:
    spans = tmp_path / "focal.jsonl"
    write_jsonl(spans, [item.model_copy(update={"rejected": ()}) for item in span_records])
    inputs, outputs = (pairs_file, spans, model_folder), (tmp_path / "out", tmp_path / "c.csv", tmp_path / "work")
    with pytest.raises(InputError, match=r"no pair has a token in D-: localize"):
        train_objective(*inputs, "target-dpo", params, *outputs)
    assert not (tmp_path / "out").exists()
    caplog.clear()
    metrics = train_objective(*inputs, "sft", params, *outputs)
    assert metrics["data/focal_empty_share"] == 1.0
    assert metrics["data/same_pair_share"] == 0.0
    assert "data/prompts_cut_share" not in metrics, "pairs that are cut do not say where their prompts began"
    assert "no pair has a token in D-" in caplog.text


def test_pairs_without_spans_and_regions_that_are_whole_programs_are_said_with_their_number(
    params: TrainingParams,
) -> None:
    rows = [row(1, "12349", "56789", "1111"), row(1, "1239", "5679", "111")]
    checks = check_rows(rows, END, without_spans=3)
    absent, whole = [item.text for item in checks.findings(params.model_copy(update={"batch_size": 2}))]
    assert absent.startswith("3 of 5 pairs have no spans and take no part: ")
    assert whole.startswith("D- is 100.0% of the rejected programs")


def test_what_stops_a_run_is_logged_even_where_it_does_not(caplog: pytest.LogCaptureFixture) -> None:
    findings = [Finding(True, "a: do b"), Finding(False, "c: do d"), Finding(True, "e: do f")]
    with caplog.at_level(logging.WARNING):
        report_findings(findings, needs_focal=False)
    assert [record.getMessage() for record in caplog.records] == ["data: a: do b", "data: c: do d", "data: e: do f"]
    with pytest.raises(InputError, match=r"^a: do b; e: do f$"):
        report_findings(findings, needs_focal=True)
