"""Answer parsing, strictly: each error is a ValueError whose message tells the model what to correct."""

import ast
import json
import re
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from iterpref_core.problems.synthesis.feature_tree import CATEGORIES, FeaturePath

MAX_DEPTH = 4
"""Levels of a feature, its category included."""
MAX_NAME = 80
"""Characters of a feature's name."""
TEST_FILE = "test.py"

_FENCED = re.compile(r"\s*(`{3,}|~{3,})[^\n]*\n(.*?)\n?[ \t]*\1\s*", re.DOTALL)
_FILE = re.compile(r"<file\s+name=[\"']([^\"'\n]*)[\"']\s*>(.*?)</file>", re.DOTALL)
_FILE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\.py")


@dataclass(frozen=True)
class Draft:
    """A problem as a model wrote it.

    Attributes:
        used: numbers of the features that it uses, as they were offered (from 1).
        instruction: the task.
        files: the solution's files by name, the main one first.
        test: the text of `test.py`.
        packages: third-party modules that any file imports, by the name it is imported by.
    """

    used: tuple[int, ...]
    instruction: str
    files: dict[str, str]
    test: str
    packages: tuple[str, ...]


def parse_features(text: str) -> tuple[FeaturePath, ...]:
    """The features of a `<json>` block: an object of categories, each an object or a list of features, and so on.

    Names are lower case with single blanks. Only features below a category count.

    Raises:
        ValueError: what is wrong.
    """
    content = _json(text)
    if not isinstance(content, dict):
        raise ValueError("the JSON is no object of categories")
    unknown = [name for name in content if _name(name) not in CATEGORIES]
    if unknown:
        raise ValueError(f"{unknown[0]!r} is none of the categories")
    found = tuple(dict.fromkeys(path for path in _paths(content, ()) if len(path) > 1))
    if not found:
        raise ValueError("there is no feature in it")
    return found


def _paths(content: Any, above: FeaturePath) -> Iterator[FeaturePath]:
    if isinstance(content, str) and content.strip():
        content = [content]
    if not isinstance(content, dict | list) and content not in (None, ""):
        raise ValueError(f"{content!r} is no feature; use objects, lists and names")
    if not content:
        yield above
        return
    if len(above) == MAX_DEPTH:
        raise ValueError(f"{' > '.join(above)!r} has features below it; go no deeper than {MAX_DEPTH} levels")
    for item in content:
        if isinstance(item, dict):
            yield from _paths(item, above)
        else:
            yield from _paths(content[item] if isinstance(content, dict) else None, (*above, _name(item)))


def _name(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not the name of a feature")
    name = " ".join(value.lower().split())
    if not 0 < len(name) <= MAX_NAME or ">" in name:
        raise ValueError(f"{value[:MAX_NAME]!r} is no name of a feature: 1 to {MAX_NAME} characters, without '>'")
    return name


def parse_problem(text: str) -> Draft:
    """A problem: `<features>`, `<instruction>`, a `<file>` for each file, and `<json>` with file_names and packages.

    Raises:
        ValueError: what is wrong.
    """
    used = tuple(dict.fromkeys(int(number) for number in re.findall(r"\d+", _block(text, "features"))))
    if not used:
        raise ValueError("<features> names no number")
    instruction = _block(text, "instruction")
    if not instruction:
        raise ValueError("<instruction> is empty")
    files = _files(text)
    trees = {name: _python(name, source) for name, source in files.items()}
    modules = {name.removesuffix(".py") for name in files} - {"test"}
    imports = {name: set(_imports(tree)) for name, tree in trees.items()}
    test = files.pop(TEST_FILE)
    _check_imports(list(files), imports)
    if not _has_test(trees[TEST_FILE]):
        raise ValueError(f"{TEST_FILE} has no unittest.TestCase with a method named test_...")
    needed = set().union(*imports.values()) - modules - sys.stdlib_module_names
    return Draft(used, instruction, files, test, tuple(sorted(needed)))


def _block(text: str, tag: str) -> str:
    """What stands in the one block with this tag."""
    blocks = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
    if len(blocks) != 1:
        raise ValueError(f"there must be exactly one <{tag}>...</{tag}>, there are {len(blocks)}")
    return str(blocks[0]).strip()


def _json(text: str) -> Any:
    try:
        return json.loads(_without_fence(_block(text, "json")))
    except RecursionError:
        raise ValueError("<json> is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"<json> holds no valid JSON ({error})") from None


def _without_fence(text: str) -> str:
    fenced = _FENCED.fullmatch(text)
    return (fenced[2] if fenced else text).strip("\n") + "\n"


def _files(text: str) -> dict[str, str]:
    """The files by name, in the order of `file_names`."""
    listed = _listed_names(text)
    blocks = _FILE.findall(text)
    files = {name: _without_fence(content) for name, content in blocks}
    if len(files) < len(blocks):
        raise ValueError("two <file> blocks have the same name")
    for name in files:
        if name not in listed:
            raise ValueError(f"the file {name!r} is not in file_names")
    for name in listed:
        if name not in files:
            raise ValueError(f"file_names has {name!r}, but there is no <file> with that name")
        if not _FILE_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no plain name of a Python file, such as 'inventory.py'")
        if name != TEST_FILE and name.removesuffix(".py") in sys.stdlib_module_names:
            raise ValueError(f"{name!r} hides a module of the standard library; name it otherwise")
    if TEST_FILE not in files or len(files) < 2:
        raise ValueError(f"there must be {TEST_FILE} and at least one file beside it")
    return {name: files[name] for name in listed}


def _listed_names(text: str) -> list[str]:
    content = _json(text)
    if not isinstance(content, dict) or content.keys() != {"file_names", "packages"}:
        raise ValueError("<json> must hold an object with file_names and packages, and nothing else")
    for key, value in content.items():
        if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
            raise ValueError(f"{key} must be a list of names")
    names: list[str] = content["file_names"]
    if len(set(names)) < len(names):
        raise ValueError("file_names repeats a name")
    return names


def _python(name: str, source: str) -> ast.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about a stranger's string escapes
            return ast.parse(source)
    except SyntaxError as error:
        raise ValueError(f"{name} is not valid Python: {error.msg}, line {error.lineno}") from None
    except (ValueError, RecursionError, MemoryError):
        raise ValueError(f"{name} is not valid Python") from None


def _imports(tree: ast.Module) -> Iterator[str]:
    """The top-level modules that a program imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def _check_imports(names: list[str], imports: dict[str, set[str]]) -> None:
    if names[0].removesuffix(".py") not in imports[TEST_FILE]:
        raise ValueError(f"{TEST_FILE} does not import {names[0].removesuffix('.py')}, the first of file_names")
    for name in names[1:]:
        if not any(name.removesuffix(".py") in found for other, found in imports.items() if other != name):
            raise ValueError(f"no other file imports {name}")


def _has_test(tree: ast.Module) -> bool:
    cases = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and "TestCase" in _bases(node)]
    return any(
        isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef) and item.name.startswith("test")
        for case in cases
        for item in case.body
    )


def _bases(node: ast.ClassDef) -> str:
    return " ".join(ast.unparse(base) for base in node.bases)
