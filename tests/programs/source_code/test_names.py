"""Names: a script that runs is never refused for its names, and one of another language is."""

from hypothesis import given
from hypothesis import strategies as st

from iterpref_core.programs.source_code.names import undefined_names

NAMES = st.sampled_from(["a", "b", "c", "d", "len", "max"])
LINES = st.one_of(
    st.builds("{} = [{}, 1]".format, NAMES, NAMES),
    st.builds("{} = 1".format, NAMES),
    st.builds("{} = [({}) for {} in [1]]".format, NAMES, NAMES, NAMES),
    st.builds("{} = lambda {}: {}".format, NAMES, NAMES, NAMES),
    st.builds("import os as {}".format, NAMES),
    st.builds("str({})".format, NAMES),
    st.just("from math import *; str(pi)"),
    st.builds("if (n := 1): str({})".format, NAMES),
)


@given(lines=st.lists(LINES, max_size=5))
def test_a_script_that_runs_has_no_undefined_name(lines):
    script = "\n".join(lines)
    unknown = None
    try:
        exec(script, {})
    except NameError as error:
        unknown = error.name
    except TypeError:
        return
    if unknown is None:
        assert undefined_names(script) == []
