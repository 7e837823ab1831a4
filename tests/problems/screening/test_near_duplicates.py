"""Near-duplicate texts; similarities worked out by hand, or by comparing all runs."""

from random import Random

import pytest

from iterpref_core.problems.screening.near_duplicates import NearDuplicates

WORDS = [f"word{number}" for number in range(42)]


def test_a_text_with_one_word_changed_is_a_near_duplicate_and_another_text_is_not():
    seen = NearDuplicates(0.7)
    assert seen.add(" ".join(WORDS))
    changed = [*WORDS[:20], "other", *WORDS[21:]]  # 37 of 43 word triples are in both: 0.86
    assert not seen.add(" ".join(changed))
    assert seen.add(" ".join(WORDS[:21] + [f"new{number}" for number in range(21)]))  # 19 of 61: 0.31


def test_programs_are_compared_by_tokens():
    known = NearDuplicates(0.8)
    long = "\n".join(f"value_{n} = compute({n}) + offset_{n}" for n in range(40))
    found = [known.add(text) for text in (long, long + "\ny = 2", long.replace("compute", "other"), "x = 1")]
    assert found == [True, False, True, True]


def similarity(words, others):
    runs, known = ({tuple(text[start : start + 3]) for start in range(len(text) - 2)} for text in (words, others))
    return len(runs & known) / len(runs | known)


@pytest.mark.parametrize("least", [0.5, 0.7, 0.8, 0.9])
def test_the_true_similarity_decides(least):
    """Of pairs that have no words of each other, so that one index serves for all."""
    random = Random(0)
    known = NearDuplicates(least)
    wrong = 0
    for _ in range(150):
        words = [f"w{random.randrange(10_000)}" for _ in range(80)]
        changed = list(words)
        for place in random.sample(range(80), random.randrange(1, 12)):
            changed[place] = f"x{random.randrange(10_000)}"
        known.add(" ".join(words))
        wrong += known.add(" ".join(changed)) == (similarity(words, changed) >= least)
    # Of the texts of exactly the stated similarity, one in 200 may be missed.
    assert wrong <= 1
