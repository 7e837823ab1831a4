"""Print the test files that a change can affect, which `make test-changed` runs.

`python -m tests.affected [COMMIT]` compares the working tree with a commit, HEAD by default. A test file is affected if
it imports a changed module, directly or through other modules: an edit of `iterpref_core/storage/jsonl.py` affects the
tests of everything that writes rows. A changed file that is neither a module nor a page, such as params.yaml, affects
all tests.
"""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

from docs.import_graph import ROOT, module_name, names_in

FOLDERS = ("iterpref_core", "tasks", "flows", "docs", "benchmarks", "examples", "tests")
PAGES = ("docs/", "README.md", "CHANGELOG.md", ".github/")
READ_PAGES = ("tests.documentation", "tests.packaging", "tests.test_")
"""Tests that read the repository's texts, or all of its code."""
NOT_FOLLOWED = {
    # A constant, and a module that is named but not imported: both would lead to everything.
    "tests.once": {"tasks.paths"},
    "tasks.paths": {"iterpref_core.cli"},
}


@cache
def module_files() -> dict[str, Path]:
    """Return the file of every module of the repository, by the module's name."""
    files = {module_name(path): path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))}
    return files | {"iterpref_cli": ROOT / "iterpref_cli.py"}


@cache
def imports_of_all() -> dict[str, set[str]]:
    """Return the modules that each module imports, names in a string (as patches do), or gets from a conftest."""
    files = module_files()
    imports = {}
    for name, path in files.items():
        tree = ast.parse(path.read_text())
        if name == "tests.conftest":
            # Its fixtures import what the tests that use them test.
            tree = ast.Module([node for node in tree.body if not isinstance(node, ast.FunctionDef)], [])
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        found = set()
        for dotted in names_in(tree, package):
            parts = dotted.split(".")
            # "iterpref_core.storage.jsonl.write": a patch names an attribute of a module.
            found.update(".".join(parts[:length]) for length in range(1 if len(parts) == 1 else 2, len(parts) + 1))
        if name.startswith("tests."):
            found.update(module_name(folder / "conftest.py") for folder in path.parents if folder.is_relative_to(ROOT))
        imports[name] = (found & files.keys()) - {name} - NOT_FOLLOWED.get(name, set())
    return imports


@cache
def reached_from(start: str) -> frozenset[str]:
    """Return a module and all modules that it imports, directly or through others."""
    imports = imports_of_all()
    reached, waiting = set(), [start]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting.extend(imports[name])
    return frozenset(reached)


def affected_tests(changed: list[str]) -> list[str]:
    """Return the test files that a change of these paths, relative to the repository, can affect."""
    files = module_files()
    tests = {name for name in files if name.rpartition(".")[2].startswith("test_")}
    modules = {str(path.relative_to(ROOT)): name for name, path in files.items()}
    found = {name for name in tests if name.startswith("tests.test_")}
    hit = set()
    for path in changed:
        if path in modules:
            hit.add(modules[path])
        elif path.startswith(PAGES) or path.endswith(".py"):  # a module that is gone: its users changed, too
            found |= {name for name in tests if name.startswith(READ_PAGES)}
        elif path.startswith("tests/"):  # data of the tests in its folder
            folder = path.rpartition("/")[0].replace("/", ".")
            found |= {name for name in tests if name.startswith(f"{folder}.")}
        else:
            found |= tests
    found |= {name for name in tests if hit & reached_from(name)}
    return sorted(str(files[name].relative_to(ROOT)) for name in found)


def changed_files(commit: str) -> list[str]:
    """Return the files in which the working tree differs from a commit, new ones included."""
    commands = (["diff", "--name-only", "--no-renames", commit], ["ls-files", "--others", "--exclude-standard"])
    printed = [
        subprocess.run(["git", *command], cwd=ROOT, check=True, capture_output=True, text=True) for command in commands
    ]
    return [line for run in printed for line in run.stdout.splitlines()]


def main() -> None:
    """Print the affected test files on one line."""
    commit = sys.argv[1] if len(sys.argv) > 1 else "HEAD"
    print(" ".join(affected_tests(changed_files(commit))))


if __name__ == "__main__":
    main()
