"""Trivial program: does nothing in place of something; whatever tests it passes prove nothing.

The engine's negative controls find programs that deceive tests, not tests that ask for nothing.
"""

import ast
import warnings


def hollow(source: str) -> str:
    r"""The program with the body of every function emptied; names, parameters, classes and constants stay.

    >>> print(hollow("LIMIT = 3\ndef f(x, y=LIMIT):\n    return x * y\n"))
    LIMIT = 3
    <BLANKLINE>
    def f(x, y=LIMIT):
        pass
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about a stranger's string escapes
        tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [ast.Pass()]
    try:
        return ast.unparse(tree)
    except RecursionError:
        return ""  # nested too deeply to be written; then the empty program has to do
