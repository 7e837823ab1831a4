"""Hybrid training: one half of every batch is vanilla."""

from dataclasses import replace

from iterpref_core.training.data.batches import Collator
from iterpref_core.training.data.half_batches import AlternatingSampler, BothHalves
from iterpref_core.training.objectives.objective_table import OBJECTIVES

from .conftest import with_zeros


def test_every_pair_once_an_epoch_and_half_of_every_even_batch_from_either_half():
    sampler = AlternatingSampler(101, seed=5)
    drawn = list(sampler)
    assert len(sampler) == len(drawn) == 101
    assert sorted(index % 101 for index in drawn) == list(range(101))
    for start in range(0, 100, 4):
        assert sum(index >= 101 for index in drawn[start : start + 4]) == 2


def test_epochs_differ_and_repeat_themselves():
    sampler = AlternatingSampler(50, seed=5)
    first = list(sampler)
    sampler.set_epoch(1)
    second = list(sampler)
    assert first != second
    assert {index for index in first if index < 50} != {index for index in second if index < 50}
    again = AlternatingSampler(50, seed=5)
    again.set_epoch(1)
    assert list(again) == second
    assert list(AlternatingSampler(50, seed=6)) != first


def test_the_data_has_each_pair_in_both_ways(rows):
    both, half = BothHalves(rows), len(rows)
    assert len(both) == 2 * half
    collate = Collator(OBJECTIVES["hybrid-dpo"], "padded", 0)
    for number, row in enumerate(rows):
        assert replace(both[number + half], half=0) == row
        for own, weight in ((both[number], len(row.rejected_ids)), (both[number + half], sum(row.focal))):
            assert collate([replace(with_zeros(row), half=own.half)])["w_rejected"].sum() == weight
