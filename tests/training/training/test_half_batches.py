"""Hybrid training leaves one half of all pairs vanilla, by their names."""

from dataclasses import replace

from iterpref_core.records.objective_table import OBJECTIVES
from iterpref_core.training.data.batches import Collator

from .conftest import with_zeros


def test_a_pair_is_of_one_half_and_half_of_all_pairs_are_of_either(rows):
    halves = [replace(rows[0], task_id=str(number)).half for number in range(1000)]
    assert 450 < sum(halves) < 550
    assert {row.half for row in rows} == {0, 1}
    collate = Collator(OBJECTIVES["hybrid-dpo"], "padded", 0)
    for row in rows:
        weight = sum(row.focal) if row.half else len(row.rejected_ids)
        assert collate([with_zeros(row)])["w_rejected"].sum() == weight
