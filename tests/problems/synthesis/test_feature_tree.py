"""The feature tree: counting, growing, drawing; numbers worked out by hand."""

from random import Random

import pytest

from iterpref_core.problems.synthesis.feature_tree import FeatureTree, load_tree
from iterpref_core.records import InputError


def test_no_more_than_the_breadth_of_each_level_is_drawn_and_nothing_twice():
    tree = FeatureTree()
    tree.grow((f"category {a}", f"b{b}", f"c{c}") for a in range(4) for b in range(4) for c in range(4))
    drawn = tree.sample((3, 2, 1), 1.0, Random(0))
    assert len(drawn) == len(set(drawn)) == 6
    assert len({path[0] for path in drawn}) == 3
    assert len({path[:2] for path in drawn}) == 6
    assert tree.sample((3, 2, 1), 1.0, Random(0)) == drawn
    assert tree.sample((3, 2, 1), 1.0, Random(1)) != drawn
    assert len(tree.sample((9, 9, 9), 1.0, Random(0))) == 64
    assert {len(path) for path in tree.sample((9, 9), 1.0, Random(0))} == {2}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "make the tree again"),
        ('{"categories": {"logging": {"frequency": 0}}}', "field 'categories.logging.frequency'.*greater than 0"),
        (None, "no such file"),
    ],
)
def test_what_is_no_tree_is_refused(tmp_path, text, message):
    path = tmp_path / "tree.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=message):
        load_tree(path)
