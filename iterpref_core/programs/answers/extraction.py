r"""Find the program in a model's answer, which may reason, explain, quote, and show several blocks.

One rule reads the answers of every model: in evaluation, in CodeFlow, in preference pairs, and where tests are a
reward. docs/models.md has it in words, in the order of this module: reasoning goes, an end token ends the answer, the
runs of lines that are Python are ranked, and other runs complete the best one.
"""

import ast
import re
import textwrap
from collections.abc import Iterable, Sequence

from ..source_code.names import bound_names, unbound_names, undefined_names
from .code_runs import read_code
from .python_text import DEFINING, STATEMENT, Excerpt, Parser, Rank, acts, is_prose, rank, reads_input
from .reasoning import without_reasoning

_ODD_BLANK = re.compile(r"""("[^"\n]*"|'[^'\n]*')|([\u00a0\u3000])|[\u00ad\ufeff\u200b-\u200d\u2060]""")
"""A blank of another width, or a character without width, which Python allows only in a string."""
_END_TOKEN = re.compile(
    r"""(?:^[ \t]+|(?<![ \t('"`])|(?<=```))(?:
      [<\[]\|[\w ]{1,40}\|[>\]]
    | <｜[^｜<>\n]{1,40}｜>
    | </s> | <(?:end_of_turn|start_of_turn|turn\||(?:seed:)?eos|EOT|file_sep|repo_name|fim_\w{1,20}|end_of_text)>
    | \[(?:EOS|EOT)\] | \[/?INST\] | \[DONE\] | \[e~\[ | \[END[ ]FINAL[ ](?:RESPONSE|ANSWER)\]
    )""",
    re.VERBOSE | re.IGNORECASE | re.MULTILINE,
)
"""End tokens, except in a sentence that names one after a blank: `the </s> marks`."""
_END = re.compile(rf"{_END_TOKEN.pattern}|</(?:answer|response)>", _END_TOKEN.flags)
"""An end token, or the end of a reasoning model's answer."""
_FIRST_TOKEN = re.compile(
    r"\A(?:\s*(?:<s>|<bos>|\[BOS\]|<[|｜](?:begin|start)[_▁]?of[_▁]?(?:text|sentence|sequence)[|｜]>))+(?: (?=\S))?",
    re.IGNORECASE,
)
"""First tokens of a text, which a server has left before an answer; Llama's tokenizer adds a blank."""
_FENCE = re.compile(r"```|~~~")
_PYTHON_FENCE = re.compile(r"(?:```|~~~)[ \t]*(?:python|py)", re.IGNORECASE)
_STATEMENT_LINE = re.compile(rf"^[ \t]*(?:{STATEMENT.pattern}|\w+[ ]*=[^=])", re.VERBOSE | re.MULTILINE)
_DEFINITION_LINE = re.compile(r"^[ \t]*(?:async[ \t]+)?(?:def|class)[ \t]+(\w+)", re.MULTILINE)


def extract_program(answer: str, entry_point: str | None = None, read: Iterable[str] = ()) -> str | None:
    r"""Return the program in an answer; None where it holds none.

    Args:
        answer: a model's text.
        entry_point: the name of the function or class that the task asks for; None or "" where it has none.
        read: the names that the tests take from the program. They belong to it, also from other blocks; the
            first of them that a block defines replaces a missing entry point.

    Examples:
        >>> extract_program("Sure:\n```python\nx = f(1)\n```\nDone."), extract_program("I cannot do that.")
        ('x = f(1)\n', None)
        >>> extract_program("```python\ndef f(x): return -x\n```\nNo:\n```python\ndef f(x): return x\n```")
        'def f(x): return x\n'
    """
    text = _ODD_BLANK.sub(lambda match: match[1] or (" " if match[2] else ""), answer)
    text = without_reasoning(re.sub(r"\r\n?", "\n", without_first_token(text)))
    parser = Parser()
    text = before_end_token(text, entry_point, _END)
    tree = parser.tree(text)
    # An answer without prose, such as `Done`, is the program as it is.
    if tree is not None and not any(map(is_prose, tree.body)) and rank(tree, entry_point):
        return text
    runs, outside = read_code(text, parser)
    if not entry_point:
        defined = (name for name in read if any(rank(run.tree, name) >= Rank.ALIAS for run in runs))
        entry_point = next(defined, None)
    least = Rank.ALIAS if entry_point else Rank.DEFINITION
    ranks = _ranked(runs, entry_point)
    # A block with another tag is better than no program.
    candidates = [run for run in reversed(runs) if ranks[run] >= (least if run.doubtful else Rank.SCRIPT)]
    best = max(
        candidates,
        key=lambda run: (ranks[run] >= least, run.whole, not run.doubtful, ranks[run]),
        default=None,
    )
    # Of "def helper(x): return x\n\ndef f(x):\n    return hel" the helper is Python, but not the program.
    rest = "" if best is None or entry_point else _FENCE.split(outside[best.end :], maxsplit=1)[0]
    if best is not None and ranks[best] >= least and not _DEFINITION_LINE.search(rest):
        return _completed(best, runs, entry_point, read)
    # A program that was cut does not parse; return it, so that it fails as a syntax error.
    cut = _cut_program(text, outside)
    if best is None or (cut is not None and _DEFINITION_LINE.search(cut)):
        return cut
    return best.code


def _ranked(runs: Sequence[Excerpt], entry_point: str | None) -> dict[Excerpt, Rank]:
    """Return the rank of each run. Where no name is asked for, what reads input and acts is the program."""
    ranks = {run: rank(run.tree, entry_point) for run in runs}
    if entry_point:
        return ranks
    # `x = input('')` and `disp(x)` are MATLAB's.
    readers = [run for run in runs if reads_input(run.tree) and not (run.doubtful and undefined_names(run.code))]
    whole = [run for run in readers if acts(run.tree)]
    if not whole:
        # `def main(): n = int(input())` may be in one block, and `main()` in the next.
        names = {name for run in readers for name in bound_names(run.tree)}
        whole = [run for run in runs if acts(run.tree) and names & {*unbound_names(run.tree)}]
    return ranks | dict.fromkeys(whole, Rank.ENTRY_POINT)


def _completed(best: Excerpt, runs: Sequence[Excerpt], entry_point: str | None, read: Iterable[str]) -> str:
    """Return a program after the imports, helpers and constants of other runs that it, or a test, reads and it lacks.

    The nearest earlier run comes first, then later runs. A later run that defines anew what a test reads, but not the
    entry point, follows the program.
    """
    bound = bound_names(best.tree)
    code = best.code
    later = [run for run in runs if run.start >= best.end]
    for run in later:
        anew = any(rank(run.tree, name) == Rank.ENTRY_POINT for name in bound.intersection(read))
        is_helper = rank(run.tree, entry_point) == Rank.DEFINITION
        if anew and is_helper and run.whole and run.doubtful <= best.doubtful:
            code += f"\n\n{run.code}"
    lacking = {*unbound_names(best.tree), *read} - bound
    # Nearest earlier run first, then the runs after the program.
    others = [run for run in reversed(runs) if run.end <= best.start] + later
    waiting = [(run, _definitions(run.tree)) for run in others] if lacking else []
    # What was added may lack something of a run that was passed over.
    while found := next((pair for pair in waiting if lacking & bound_names(pair[1])), None):
        waiting.remove(found)
        run, kept = found
        added = run.code if len(kept.body) == len(run.tree.body) else f"{ast.unparse(kept)}\n"
        code = f"{added}\n\n{code}"
        lacking = lacking - bound_names(kept) | {*unbound_names(kept)}
    return code


def _definitions(tree: ast.Module) -> ast.Module:
    """Return the statements of a text that only define, without assignments where the text does more.

    Of "import math", "x = 1", "print(f(x))" it is the import: the others are an example of use.
    """
    alone = all(isinstance(statement, DEFINING) for statement in tree.body)
    kinds = DEFINING if alone else DEFINING[:5]
    return ast.Module([statement for statement in tree.body if isinstance(statement, kinds)], [])


def without_first_token(answer: str) -> str:
    """Return an answer without the first token of a text, such as `<s>`.

    >>> without_first_token("<s> def f(x): pass"), without_first_token("<s>    return x")
    ('def f(x): pass', '    return x')
    """
    return _FIRST_TOKEN.sub("", answer)


def before_end_token(text: str, entry_point: str | None = None, end: re.Pattern[str] = _END_TOKEN) -> str:
    r"""Return an answer up to the first end token after a program: then the model talks to itself, or writes a file.

    A token within a program, such as in a string, is part of the program; but not a token right after the last word of
    a comment: `return x  # the result<|im_end|>`.

    >>> before_end_token("def f(x):\n    return x<|im_end|>def g(x): pass", "f")
    'def f(x):\n    return x'
    """
    if end.search(text) is None:
        return text
    parser = Parser()
    runs, _ = read_code(text, parser)
    least = Rank.ALIAS if entry_point else Rank.SCRIPT
    first = next((run.end for run in runs if rank(run.tree, entry_point) >= least), len(text))
    for token in end.finditer(text):
        place = token.start()
        around = next((run for run in runs if run.start <= place < run.end), None)
        if around is None:
            is_end = first <= place
        else:
            # A token within a run ends it only if the text before is a program.
            before = text[around.start : place] if _may_end(text, around, token) else ""
            program = parser.tree(textwrap.dedent(before))
            is_end = program is not None and rank(program, entry_point) >= least
        if is_end:
            return text[:place]
    return text


def _may_end(text: str, run: Excerpt, token: re.Match[str]) -> bool:
    r"""Return True if a token within a run may end the program: it follows a comment, or it is Python itself.

    After "# such as a</s>\n    return y" the program continues.
    """
    shown = text[run.start :]
    margin = len(shown) - len(shown.lstrip())
    rest, _, following = text[token.end() : run.end].partition("\n")
    next_line = re.search(r"^([ \t]*)\S", following, re.MULTILINE)
    goes_on = next_line is not None and len(next_line[1]) > margin
    if goes_on and not STATEMENT.match(rest):
        return False
    # `return x + 1[EOS]` is also Python. It is not the end if the program defines EOS.
    is_last = not text[token.end() : run.end].strip()
    if is_last and token[0].startswith("[E") and token[0][1:-1] not in bound_names(run.tree):
        return True
    line_start = text.rfind("\n", 0, token.start()) + 1
    return re.search(r"#.*[\w.!?)]$", text[line_start : token.start()]) is not None


def defines(program: str, entry_point: str) -> bool:
    """Return True if a program defines the function or class that a task asks for.

    >>> defines("def f(x): return x", "f"), defines("def g(x): return f(x)", "f")
    (True, False)
    """
    tree = Parser().tree(program)
    return tree is not None and rank(tree, entry_point) >= Rank.ALIAS


def lacks_program(code: str) -> bool:
    r"""Return True if a text is not a program: it is empty, or prose without a Python statement.

    >>> lacks_program("I cannot do that."), lacks_program("def f(x:\n"), lacks_program("print(1)")
    (True, False, False)
    """
    return not _STATEMENT_LINE.search(code) and Parser().tree(code) is None


def _cut_program(text: str, outside: str) -> str | None:
    """Return the last block that was meant as Python and does not parse, mostly because it was cut.

    A block that begins a definition is preferred.
    """
    cut: dict[bool, str] = {}
    # Blocks and the lines with fences between them.
    parts = re.split(rf"^(.*(?:{_FENCE.pattern}).*\n?)", text, flags=re.MULTILINE)
    end = 0
    for fence, block in zip(["", *parts[1::2]], parts[::2], strict=True):
        start = end + len(fence)
        end = start + len(block)
        left = outside[start:end]
        is_tagged = _PYTHON_FENCE.search(fence) is not None
        if left.strip() and (is_tagged or _STATEMENT_LINE.search(left)):
            beginning = None if is_tagged else _STATEMENT_LINE.search(block)
            is_definition = _DEFINITION_LINE.search(left) is not None
            cut[is_definition] = textwrap.dedent(block[beginning.start() if beginning else 0 :])
    return cut.get(True, cut.get(False))
