"""The share of focal lines is a share, whatever the spans of a method are."""

from hypothesis import given
from hypothesis import strategies as st

from iterpref_core.pairs.localization.localization import ON_TEXT
from iterpref_core.records import PreferencePair
from tests.pairs.localization.localizing import localize

LINES = st.lists(st.sampled_from(["x = a - b - c", "x = a + b + c", "", "y = 1", "\x0c", "    z"]), max_size=5)


@given(rejected=LINES.map("\n".join), chosen=LINES.map("\n".join), method=st.sampled_from(sorted(ON_TEXT)))
def test_lines_with_several_spans_count_once(tmp_path_factory, rejected, chosen, method):
    folder = tmp_path_factory.mktemp("share")
    pair = PreferencePair(task_id="a", prompt="p", chosen=chosen, rejected=rejected)
    assert 0 <= localize(folder, [pair], method=method)[0]["focal_line_share"] <= 1


def test_two_tokens_of_the_only_changed_line_of_two_are_half(tmp_path):
    rejected = "def f(a, b, c, d):\n    return a - b - c - d\n"
    pair = PreferencePair(task_id="a", prompt="p", chosen=rejected.replace("-", "+"), rejected=rejected)
    assert localize(tmp_path, [pair], method="token")[0]["focal_line_share"] == 0.5
