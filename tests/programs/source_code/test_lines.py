"""Lines of programs are Python's, everywhere; a definition that is cut out of its class stays the same program."""

import ast
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iterpref_core.programs.source_code.line_diff import split_lines
from iterpref_core.programs.source_code.lines import (
    cut_lines,
    lines_in_strings,
    whole_lines,
)
from tests.settings import ROOT

OF_MESSAGES = {
    "iterpref_core/records/errors.py",
    "iterpref_core/models/inference/vllm_server.py",
    "iterpref_core/records/input_files.py",
    "iterpref_core/problems/own_code/inside/project_tests.py",
}
"""Files that split messages of libraries, and no programs."""
OF_MARKDOWN = {"iterpref_core/programs/answers/extraction.py"}
"""A file that takes the indentation of a Markdown list from all lines of a block."""
SEPARATORS = "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"


def test_no_module_splits_programs_at_separators_that_python_does_not_know():
    found = {"splitlines(": set(), "dedent(": set()}
    for path in (ROOT / "iterpref_core").rglob("*.py"):
        text = path.read_text()
        for word, files in found.items():
            if re.search(rf"\.{re.escape(word)}", text):
                files.add(str(path.relative_to(ROOT)))
    assert found == {"splitlines(": OF_MESSAGES, "dedent(": OF_MARKDOWN}


@given(st.text(alphabet="ab'\"#\\ \t\n\r" + SEPARATORS))
def test_lines_are_those_of_pythons_own_reader(text):
    assert "".join(whole_lines(text)) == text
    assert split_lines(text) == [line.rstrip("\r\n") for line in whole_lines(text)]
    newlines = re.sub(r"\r\n?", "\n", text)
    assert len(split_lines(text)) == newlines.count("\n") + (not newlines.endswith("\n") and bool(newlines))


TEXTS = st.text(alphabet=f"a \t\n{{}}%{SEPARATORS}", max_size=12)
PLAIN = TEXTS.map(lambda text: f"'''{text}'''")
FORMATTED = st.tuples(TEXTS, st.sampled_from(["{x}", "{x + (\n1)}", "{f'{x}'}", "{{}}"]), TEXTS).map(
    lambda parts: "f'''" + parts[1].join(re.sub(r"[{}]", "", text) for text in parts[::2]) + "'''"
)
LITERALS = PLAIN | FORMATTED
STATEMENTS = st.one_of(
    LITERALS.map(lambda literal: f"x = {literal}"),
    LITERALS.map(lambda literal: f"x = ({literal}\n{literal},\n            {literal})"),
    LITERALS.map(lambda literal: f"x = [\n1,\n# {{}}\n        2, {literal}]"),
    st.just("if x:\n            y = 1\n\n\n        z = 'a\\\n  b'"),
    st.just("# to the right\n# of nothing"),
    st.just("x = 1 + \\\n2\n\x0c"),
)


@given(st.lists(STATEMENTS, min_size=1, max_size=4), LITERALS)
def test_a_method_without_the_indentation_of_its_class_is_the_same_function(body, docstring):
    block = "".join(f"        {statement}\n" for statement in body)
    source = f"class A:\n    def f(self):\n        {docstring}\n{block}        return x\n"
    (owner,) = ast.parse(source).body
    assert isinstance(owner, ast.ClassDef)
    (method,) = owner.body
    assert method.end_lineno is not None
    cut = cut_lines(source, method.lineno, method.end_lineno, lines_in_strings(source))
    (function,) = ast.parse(cut).body
    assert ast.dump(function) == ast.dump(method)


def test_an_f_string_is_one_literal_on_every_python():
    assert lines_in_strings("x = f'''a{1}\n{f\"b{x}\"}''' + 'c'  # d\n") == {2}


@pytest.mark.parametrize("source", ["x = '''a", "x = (", "def f():\n    a\n  b\n"])
def test_text_that_is_no_python_is_refused(source):
    with pytest.raises(SyntaxError):
        lines_in_strings(source)
