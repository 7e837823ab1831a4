r"""The program in a model's answer, which may reason, explain, quote, and show several blocks.

One rule reads the answers of every model: in evaluation, in CodeFlow, in preference pairs, and where tests are a
reward. docs/models.md says it in words:

1. Reasoning goes.
2. An answer that is Python as a whole is the program.
3. Of the runs of lines that are Python, within fences or not, the last one that defines the entry point is the program;
   if none does, the last one that gives its name to another function, or to a method; then the last one with a
   definition; if none has one, the last script. Other languages are never it, nor is a stub. Earlier runs with nothing
   but definitions stand before it, if they have a name that it reads and lacks.
4. An end token behind a program ends the answer, wherever it stands, also in the comment of its last line.
5. If no run is wanted, a block that was meant as Python is the program as it came. It may have been cut.
"""

import ast
import re
import textwrap
from collections.abc import Iterable, Iterator

from iterpref_core.programs.answers.code_runs import read_code
from iterpref_core.programs.answers.python_text import (
    STATEMENT,
    Excerpt,
    Parser,
    Rank,
    is_prose,
    rank,
)
from iterpref_core.programs.answers.reasoning import without_reasoning
from iterpref_core.programs.source_code.names import bound_names, entry_name, unbound_names

_WITHOUT_WIDTH = "\ufeff\u200b\u2060"
"""A byte order mark and the like, which some servers put before a text."""
_END_TOKEN = re.compile(
    r"""(?:^[ \t]+|(?<![ \t('"`]))(?:
      <\|[\w ]{1,40}\|>
    | <｜[^｜<>\n]{1,40}｜>
    | </s> | <(?:end_of_turn|start_of_turn|turn\||eos|EOT|file_sep|repo_name|fim_\w{1,20}|end_of_text)>
    | \[EOS\] | \[/?INST\] | \[DONE\] | \[e~\[ | \[END[ ]FINAL[ ](?:RESPONSE|ANSWER)\]
    )""",
    re.VERBOSE | re.IGNORECASE | re.MULTILINE,
)
"""End tokens; not those that a sentence names behind a blank: `the </s> marks`."""
_FIRST_TOKEN = re.compile(
    r"(?:\s*(?:<s>|<bos>|\[BOS\]|<[|｜](?:begin|start)[_▁]?of[_▁]?(?:text|sentence|sequence)[|｜]>))+(?: (?=\S))?",
    re.IGNORECASE,
)
"""First tokens of a text, which a server has left before an answer; Llama's tokenizer puts a blank behind its own."""
_DEFINING = (
    *(ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef),
    *(ast.Assign, ast.AnnAssign),
)
_FENCE = re.compile(r"```|~~~")
_PYTHON_FENCE = re.compile(r"(?:```|~~~)[ \t]*(?:python|py)", re.IGNORECASE)
_STATEMENT_LINE = re.compile(rf"^[ \t]*(?:{STATEMENT.pattern}|\w+[ ]*=[^=])", re.VERBOSE | re.MULTILINE)
_DEFINITION_LINE = re.compile(r"^[ \t]*(?:async[ \t]+)?(?:def|class)[ \t]+(\w+)", re.MULTILINE)


def extract_program(answer: str, entry_point: str | None = None) -> str | None:
    r"""Return the program in an answer; None where it holds none.

    Args:
        answer: a model's text.
        entry_point: the name of the function or class that the task asks for; None or "" where it has none.

    Examples:
        >>> extract_program("Sure:\n```python\nx = f(1)\n```\nDone."), extract_program("I cannot do that.")
        ('x = f(1)\n', None)
        >>> extract_program("```python\ndef f(x): return -x\n```\nNo:\n```python\ndef f(x): return x\n```")
        'def f(x): return x\n'
    """
    text = without_reasoning(re.sub(r"\r\n?", "\n", without_first_token(answer.lstrip(_WITHOUT_WIDTH))))
    parser = Parser()
    text = before_end_token(text, entry_point)
    if _is_program(text, entry_point, parser):
        return text
    runs, outside = read_code(text, parser)
    best = _best(runs, entry_point)
    if best is not None and _is_wanted(best, entry_point) and not _is_cut(best, outside, entry_point):
        return _with_earlier(best, runs)
    cut = _cut_program(text, outside, entry_point)
    if best is None or (cut is not None and _begins_to_define(cut, entry_point)):
        return cut
    return best.code


def _with_earlier(best: Excerpt, runs: Iterable[Excerpt]) -> str:
    """Return a program behind the earlier runs with the imports, helpers and constants that it reads and lacks."""
    code = best.code
    lacking = set(unbound_names(best.tree))
    earlier = [run for run in runs if run.end <= best.start]
    for run in reversed(earlier):
        defines_alone = all(isinstance(statement, _DEFINING) for statement in run.tree.body)
        defined = bound_names(run.tree)
        if defines_alone and lacking & defined:
            code = f"{run.code}\n\n{code}"
            lacking = lacking - defined | set(unbound_names(run.tree))
    return code


def without_first_token(answer: str) -> str:
    """Return an answer without the first token of a text, such as `<s>`, with which it begins.

    >>> without_first_token("<s> def f(x): pass"), without_first_token("<s>    return x")
    ('def f(x): pass', '    return x')
    """
    first = _FIRST_TOKEN.match(answer)
    return answer[first.end() :] if first else answer


def before_end_token(text: str, entry_point: str | None = None) -> str:
    r"""Return an answer up to the first end token behind a program: then the model talks to itself, or writes a file.

    A token within a program, such as in a string, is part of the program; but not one right behind a word of a comment
    that is the last of it: `return x  # the result<|im_end|>`.

    >>> before_end_token("def f(x):\n    return x<|im_end|>def g(x): pass", "f")
    'def f(x):\n    return x'
    """
    if _END_TOKEN.search(text) is None:
        return text
    parser = Parser()
    runs, _ = read_code(text, parser)
    least = _least_rank(entry_point)
    program_end = None
    for run in runs:
        if program_end is not None and (token := _END_TOKEN.search(text, program_end, run.start)):
            return text[: token.start()]
        if (end := _end_in_comment(text, run, entry_point, parser)) is not None:
            return text[:end]
        if program_end is not None or rank(run.tree, entry_point) >= least:
            # Code in a docstring is a run within another one.
            program_end = max(program_end or 0, run.end)
    token = None if program_end is None else _END_TOKEN.search(text, program_end)
    return text if token is None else text[: token.start()]


def _least_rank(entry_point: str | None) -> Rank:
    """Return the least rank of a program behind which an end token ends the answer."""
    return Rank.ALIAS if entry_point else Rank.SCRIPT


def _end_in_comment(text: str, run: Excerpt, entry_point: str | None, parser: Parser) -> int | None:
    r"""Return where an end token in a comment ends the program of a run; None where none does.

    Up to a token in a string the text is no Python. Behind "# such as a</s>\n    return y" the program goes on.
    """
    margin = len(text[run.start :]) - len(text[run.start :].lstrip())
    for token in _END_TOKEN.finditer(text, run.start, run.end):
        rest, _, following = text[token.end() : run.end].partition("\n")
        next_line = re.search(r"^([ \t]*)\S", following, re.MULTILINE)
        goes_on = next_line is not None and len(next_line[1]) > margin and not STATEMENT.match(rest)
        line_start = text.rfind("\n", 0, token.start()) + 1
        if goes_on or not re.search(r"#.*[\w.!?)]$", text[line_start : token.start()]):
            continue
        code = textwrap.dedent(text[run.start : token.start()])
        tree = parser.tree(code)
        if tree is not None and rank(tree, entry_point) >= _least_rank(entry_point):
            return token.start()
    return None


def _is_wanted(excerpt: Excerpt, entry_point: str | None) -> bool:
    """Return True if a text has the name that is asked for, or without one any definition."""
    return rank(excerpt.tree, entry_point) >= (Rank.ALIAS if entry_point else Rank.DEFINITION)


def _is_program(text: str, entry_point: str | None, parser: Parser) -> bool:
    """Return True if an answer is Python as a whole, without words that happen to be Python, such as `Done`."""
    tree = parser.tree(text)
    if tree is None or any(is_prose(statement) for statement in tree.body):
        return False
    return rank(tree, entry_point) > Rank.NOTHING


def defines(program: str, entry_point: str) -> bool:
    """Return True if a program defines the function or class that a task asks for.

    >>> defines("def f(x): return x", "f"), defines("def g(x): return f(x)", "f")
    (True, False)
    """
    tree = Parser().tree(program)
    return tree is not None and rank(tree, entry_point) >= Rank.ALIAS


def lacks_program(code: str) -> bool:
    r"""Return True if a text is no program: it is empty, or prose, in which Python finds no statement.

    >>> lacks_program("I cannot do that."), lacks_program("def f(x:\n"), lacks_program("print(1)")
    (True, False, False)
    """
    if not code.strip():
        return True
    return not _STATEMENT_LINE.search(code) and Parser().tree(code) is None


def _best(runs: Iterable[Excerpt], entry_point: str | None) -> Excerpt | None:
    """Return the last run with the highest rank; None if all rank as nothing."""
    best = None
    best_rank = Rank.SCRIPT
    for run in runs:
        run_rank = rank(run.tree, entry_point)
        if run_rank >= best_rank:
            best = run
            best_rank = run_rank
    return best


def _is_cut(best: Excerpt, outside: str, entry_point: str | None) -> bool:
    """Return True if a definition that is no Python follows in the same block, and any might be the one asked for."""
    # Of "def helper(x): return x\n\ndef f(x):\n    return hel" the helper is Python, but not the program.
    rest = _FENCE.split(outside[best.end :], maxsplit=1)[0]
    return not entry_point and _DEFINITION_LINE.search(rest) is not None


def _begins_to_define(code: str, entry_point: str | None) -> bool:
    """Return True if a text has the first line of a definition: of the entry point, or without one of anything."""
    names = {match[1] for match in _DEFINITION_LINE.finditer(code)}
    if not entry_point:
        return bool(names)
    return entry_name(entry_point) in names


def _cut_program(text: str, outside: str, entry_point: str | None) -> str | None:
    """Return the last block that was meant as Python and is none, mostly since it was cut, as it came.

    Rather one that begins to define the entry point.
    """
    best = None
    best_defines = False
    for start, end in _blocks(text):
        left = outside[start:end]
        opening = text[text.rfind("\n", 0, max(start - 1, 0)) + 1 : start]
        is_tagged = _PYTHON_FENCE.search(opening) is not None
        if not left.strip() or not (is_tagged or _STATEMENT_LINE.search(left)):
            continue
        defines_entry = _begins_to_define(left, entry_point)
        if defines_entry or not best_defines:
            beginning = None if is_tagged else _STATEMENT_LINE.search(text, start, end)
            best = textwrap.dedent(text[beginning.start() if beginning else start : end])
            best_defines = defines_entry
    return best


def _blocks(text: str) -> Iterator[tuple[int, int]]:
    """Yield where a text stands between lines with fences."""
    start = 0
    for mark in re.finditer(rf"^.*(?:{_FENCE.pattern}).*\n?", text, re.MULTILINE):
        yield start, mark.start()
        start = mark.end()
    yield start, len(text)
