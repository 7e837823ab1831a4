"""The merged form of a statement is one for every way to a prompt, and the exact form for one text alone."""

import unicodedata
from pathlib import Path
from time import process_time

import pytest
import yaml

from iterpref_core.problems.ingestion.columns import parse_columns
from iterpref_core.problems.ingestion.presets import PRESETS
from iterpref_core.problems.ingestion.problem_rows import Selection, read_problem
from iterpref_core.problems.screening.benchmark_tasks import BenchmarkTask
from iterpref_core.problems.screening.contamination import Decontamination
from iterpref_core.records import Message, PreferencePair, exact_form, merged_form, statement_digest
from tests.texts import read_table

ASKED = 'Écris `n`: add 1, and say "done".'
WAYS = yaml.safe_load(Path(__file__).with_name("ways.yaml").read_text()) | {
    "another composition": ("problems", {"prompt": unicodedata.normalize("NFD", ASKED), "tests": ["assert f(1) == 2"]}),
    "invisible characters": ("problems", {"prompt": ASKED.replace(" ", "\u200b\xa0"), "tests": ["assert f(1) == 2"]}),
}


def read(way, **selection):
    form, row = WAYS[way]
    preset = PRESETS[form]
    columns = parse_columns(None, preset.parts, preset=preset.columns)
    problem = read_problem(row, preset, columns).problem
    return Selection(**selection).apply(problem, range(len(problem.tests)))


@pytest.mark.parametrize("way", list(WAYS))
def test_a_statement_is_one_whichever_way_it_comes(way):
    assert statement_digest(read(way).prompt) == statement_digest(ASKED)


def test_all_problems_of_a_statement_are_held_out_or_none(monkeypatch):
    share = int(statement_digest(ASKED), 16) / 2**64
    assert {read(way, heldout=share + 1e-9).split for way in WAYS} == {"heldout"}
    assert {read(way, heldout=share - 1e-9).split for way in WAYS} == {None}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        *read_table(r"""
Split at ','. | Split at ';'.
Print a * b. | Print a ** b.
Replace '!' by '?'. | Replace '?' by '!'.
Is n > 0? | Is n < 0?
Multiply n by .5 | Multiply n by 5
Evaluate !a | Evaluate a
Compute n! modulo p. | Compute n modulo p.
Print 10!. | Print 10.
Match 'a?' | Match 'a'
Match `a*` | Match `a`.
Remove '_x'. | Remove 'x'.
Write a Python function `f`. | Write a Python function `g`.
Write a Python function `f` that adds. | Write a Python function `f` that counts.
Model a stack.\nWrite a Python class `S` which is fast. | Model a stack.
Replace 'b' with 'B'. | Replace 'B' with 'b'.
Join with ' '. | Join with '  '.
Implement __len__. | Implement len.
Accept *args. | Accept args.
Accept **kwargs. | Accept kwargs.
Match a* in s. | Match a in s.
Rename x_ to x. | Rename x to x_.
Convert C to F. | Convert c to f.
Count the letter 'A'. | Count the letter 'a'.
Print "Hello!". | Print "Hello".
Return "done.". | Return "done".
Replace '&' by '&amp;'. | Replace '&amp;' by '&'.
Replace '–' by '-'. | Replace '-' by '–'.
Replace “A” by “a”. | Replace “a” by “A”.
Print `True`. | Print `true`.
Remove <b> tags. | Remove <i> tags.
It costs $5 or $6. | It costs 5 or 6.
Print a*b*c. | Print abc.
Sort the names' list. | Sort the name's list.
Convert kB to IV. | Convert KB to iv.
Render *x* as HTML. | Render x as HTML.
Strip <b>x</b> tags. | Strip x tags.
Print the line ===== first. | Print the line first.
Sum the Maße. | Sum the Masse.
"""),
        ("Split at '\t'.", "Split at ' '."),
    ],
)
def test_statements_that_ask_for_something_else_are_two(one, other):
    assert exact_form(one) != exact_form(other)


@pytest.mark.parametrize(
    ("page", "text"),
    read_table(r"""
Given $n$ and $m$, $1 \le n \le 10^{5}$. | Given n and m, 1 <= n <= 10^5.
Given $$$n$$$ and \(m\), 1\leq n\leq m. | Given n and m, 1 ≤ n ≤ m.
Return $\max(a, b)$ and $a \bmod b$. | Return max(a, b) and a mod b.
Is n&lt;=5 &amp;&amp; m &gt; 5? | Is n <= 5 && m > 5?
Don’t sort – just print “x”… | Don't sort - just print "x"...
Print &quot;Yes.&quot; | Print "Yes."
-----Input-----\nOne n. | Input\nOne n.
**Input:**\n\n* n\n* m | Input\n- n\n- m
# Task\nAdd *only* `n`. | Task\nAdd only n.
<p>Given <code>n</code>, add <b>1</b>.</p>\n<p>Print it.</p> | Given `n`, add 1.\n\nPrint it.
Print 10<sup>5</sup>.<br>\nStop. | Print 10^5.\nStop.
A LIST. | a list
Is it [so](https://a.example/b)?<br/>Print __it__ \_ a<sub>1</sub> | Is it so? Print it _ a1
Add $\mathbf{v}$ and \textbf{w}.\n> Stop. | Add v and w. Stop.
Print x.\n```python\nx = 1\n``` | Print x.\n```\nx = 1\n```
Add n.\n\nWrite a Python function `f`.\n\nWrite a Python function `g`. | Add n.
Add n.\n\nWrite a Python function `f`.\n\nYour code should pass these tests:\n\nassert f(1) | Add n.
"""),
)
def test_the_layout_of_a_page_makes_no_other_statement(page, text):
    assert merged_form(page) == merged_form(text)


PARTS = (
    "-",
    "$",
    "\\a",
    "<b a=",
    "[a](",
    "–",
    "`a",
    ". A",
    "\\(",
    "*a ",
    "<p>",
    "<b>x",
    "'",
    "`",
    " ",
    "&lt;",
    "\n- ",
    "x' ",
)


@pytest.mark.parametrize("part", PARTS)
def test_long_statements_take_linear_time(part):
    start = process_time()
    exact_form(f"x{part * 20_000}y")
    merged_form(f"x{part * 20_000}y")
    assert process_time() - start < 2


def test_a_system_does_not_hide_that_a_prompt_is_a_task_s():
    index = Decontamination([], Path())
    index.add("b", [BenchmarkTask("t", ("Sort the list of n.",), (), composed=True)])
    prompt = (Message(role="system", content="Be brief."), Message(role="user", content="sort the list of `n`"))
    assert index.partner(PreferencePair(task_id="p", prompt=prompt, chosen="x = 1", rejected="x = 2")) == "b t"
