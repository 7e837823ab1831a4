"""Near-duplicate texts; similarities worked out by hand."""

from iterpref_core.screening.near_duplicates import NearDuplicates

WORDS = [f"word{number}" for number in range(42)]


def test_a_text_with_one_word_changed_is_a_near_duplicate_and_another_text_is_not() -> None:
    seen = NearDuplicates(0.7)
    assert seen.add(" ".join(WORDS))
    changed = [*WORDS[:20], "other", *WORDS[21:]]  # 37 of 43 word triples are in both: 0.86
    assert not seen.add(" ".join(changed))
    assert seen.add(" ".join(WORDS[:21] + [f"new{number}" for number in range(21)]))  # 19 of 61: 0.31


def test_programs_are_compared_by_tokens() -> None:
    known = NearDuplicates(0.8)
    long = "\n".join(f"value_{n} = compute({n}) + offset_{n}" for n in range(40))
    found = [known.add(text) for text in (long, long + "\ny = 2", long.replace("compute", "other"), "x = 1")]
    assert found == [True, False, True, True]
