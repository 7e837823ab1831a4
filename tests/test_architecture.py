"""Imports point one way, and DVC knows all the code that a stage executes."""

import ast
import re
from collections.abc import Callable
from functools import cache
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from flows.stage import STAGES
from tests.settings import ROOT

LAYERS = ("iterpref_core", "tasks", "flows", "iterpref_cli")
"""Each may import itself and those before it."""

CORE = (
    ("prompt_messages",),
    ("backend_table", "benchmark_table", "errors", "records", "results"),
    ("input_files",),
    ("config", "cores", "progress"),
    ("storage",),
    ("benchmark_files", "objectives", "source_code", "statistics"),
    ("answers", "models", "screening"),
    ("execution", "inference"),
    ("prompts",),
    ("benchmarks",),
    ("problems", "validity", "nanolab", "codeflow", "pairs", "localization", "training", "evaluation", "report"),
    ("estimate", "ingestion", "inspection", "library", "own_code", "reinforcement", "sharing", "synthesis"),
    ("cli",),
)
"""The core's rooms from the ground up: each imports itself and lower floors, and never its neighbors, which are others'
stages on the floor below the command line. docs/architecture.md shows the same picture."""

GROUND = tuple(
    f"iterpref_core.{name}"
    for name in ("config", "cores", "errors", "input_files", "progress", "prompt_messages", "records", "results")
)
CONTRACTS = (
    *GROUND,
    "iterpref_core.storage",
    "iterpref_core.cli",
    "tasks.mlflow.live_curve",
    "tasks.mlflow.recorded",
    "tasks.paths",
    "tasks.stage_name",
)
"""What no stage depends on, though all execute it: the value of a knob is a parameter, a field whose meaning changes
gets another name, and the rest is messages and files (docs/decisions.md)."""


STARTED_BY = {
    "iterpref_core.execution.running.workers": "iterpref_core.execution.sandbox",
    "iterpref_core.own_code.survey": "iterpref_core.own_code.sandboxed",
    "iterpref_core.benchmarks.suites": "iterpref_core.benchmarks",
}
"""Module → the package whose files that module starts: as programs in the sandbox, or by the names in a table."""


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def files_of(layer: str) -> list[Path]:
    """Return the files of a layer, which is a folder or one file."""
    file = ROOT / f"{layer}.py"
    return [file] if file.exists() else sorted((ROOT / layer).rglob("*.py"))


MODULES = {module_name(path): path for layer in LAYERS for path in files_of(layer)}


@cache
def parsed(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


@cache
def imports_of(module: str) -> frozenset[str]:
    """Our own modules that a module imports, or names in a string, anywhere in its text."""
    path = MODULES[module]
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    found: set[str] = set()
    for node in ast.walk(parsed(module)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.rsplit(".", node.level - 1)[0] if node.level else ""
            source = ".".join(part for part in (base, node.module or "") if part)
            found.add(source)
            found.update(f"{source}.{alias.name}" for alias in node.names)
    found |= named_in_strings(parsed(module))
    return frozenset(name for name in found if name in MODULES)


def named_in_strings(tree: ast.Module) -> set[str]:
    """Return the modules that strings of code name, apart from docstrings.

    `import_module("flows.cli")`, `["-m", "flows.cli"]` and `"python -m flows.stage"` name one each. A name without a
    dot is also a word, such as "tasks": it counts behind `-m` and in calls of `import_module`.
    """
    found: set[str] = set()
    nodes = list(ast.walk(tree))
    docstrings = {node.value for node in nodes if isinstance(node, ast.Expr)}
    for node in nodes:
        match node:
            case ast.Constant(value=str() as text) if node not in docstrings:
                found.update(re.findall(r"-m (\w+(?:\.\w+)*)", text))
                if "." in text:
                    found.add(text)
            case ast.List(elts=items) | ast.Tuple(elts=items):
                found.update(behind_minus_m(items))
            case ast.Call(func=called, args=arguments):
                found.update(behind_minus_m(arguments))
                name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
                if name == "import_module":
                    found.update(texts_of(arguments[:1]))
    return found


def behind_minus_m(items: list[ast.expr]) -> list[str]:
    """Return the text behind "-m" among the items of a command."""
    found: list[str] = []
    for option, name in pairwise(items):
        if texts_of([option]) == ["-m"]:
            found += texts_of([name])
    return found


def texts_of(nodes: list[ast.expr]) -> list[str]:
    return [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]


def room(module: str) -> str | None:
    """The core's room that a module is in."""
    parts = module.split(".")
    return parts[1] if parts[0] == "iterpref_core" and len(parts) > 1 else None


def test_imports_point_one_way() -> None:
    rank = {name: LAYERS.index(name.partition(".")[0]) for name in MODULES}
    upwards = [f"{name} imports {other}" for name in MODULES for other in imports_of(name) if rank[other] > rank[name]]
    assert upwards == []


@pytest.mark.parametrize(
    "code",
    [
        'import_module("flows.cli")',
        'importlib.import_module("flows")',
        '[sys.executable, "-m", "flows.stage", "pairs"]',
        'start("-m", "flows")',
        'command = "python -m flows.stage pairs"',
        'def start():\n    """Start."""\n    return MODULE or "flows.cli"',
    ],
)
def test_a_module_that_is_named_in_a_string_counts_as_imported(code: str) -> None:
    assert named_in_strings(ast.parse(code)) & {"flows", "flows.cli", "flows.stage"}


def test_words_that_are_names_of_modules_too_do_not_count() -> None:
    """Nor do docstrings, which nothing executes."""
    code = '"""Called by `python -m flows.stage`."""\nfolders = ["flows", "tasks"]'
    assert not named_in_strings(ast.parse(code)) & MODULES.keys()


def test_every_room_of_the_core_stands_on_one_floor() -> None:
    rooms = {name for name in map(room, MODULES) if name is not None}
    placed = {name for floor in CORE for name in floor}
    assert not rooms - placed, f"put {sorted(rooms - placed)} on a floor of CORE here, and of docs/architecture.md"
    assert not placed - rooms, f"there is no package {sorted(placed - rooms)}: remove it from CORE"


def test_the_core_imports_downwards() -> None:
    floor = {}
    for number, names in enumerate(CORE):
        floor.update(dict.fromkeys(names, number))
    wrong = []
    for name in MODULES:
        own = room(name)
        for other in imports_of(name):
            their = room(other)
            # A room without a floor is another test's matter.
            if own == their or own not in floor or their not in floor:
                continue
            if floor[their] >= floor[own]:
                wrong.append(f"{name} imports {other}")
    assert wrong == [], "share code on a lower floor"


def upward_imports(package: str, floor: Callable[[str], int]) -> list[str]:
    """Return the imports of modules of a package by those on a lower floor of it."""
    inside = [name for name in MODULES if name.startswith(f"{package}.")]
    return [
        f"{name} imports {other}"
        for name in inside
        for other in imports_of(name)
        if other in inside and floor(other) > floor(name)
    ]


def test_training_has_three_layers() -> None:
    """Data know no model, and models no training."""
    training = "iterpref_core.training"
    layers = (f"{training}.data", f"{training}.model", training)

    def layer(module: str) -> int:
        return next(number for number, name in enumerate(layers) if module == name or module.startswith(f"{name}."))

    assert upward_imports(training, layer) == []


def test_execution_has_rooms() -> None:
    """Each imports itself and those before it; the code of the sandbox imports nothing else of the project."""
    execution = "iterpref_core.execution"
    rooms = ("sandbox", "protocol", "judging", "running", "samples")

    def floor(module: str) -> int:
        return rooms.index(module.removeprefix(f"{execution}.").partition(".")[0])

    assert upward_imports(execution, floor) == []
    # A zygote has the folder of the sandbox and no other code of ours.
    sandbox = f"{execution}.sandbox"
    outside = [
        f"{name} imports {other}"
        for name in MODULES
        if name.startswith(sandbox)
        for other in imports_of(name)
        if not other.startswith(sandbox)
    ]
    assert outside == []


def test_the_page_of_docs_shows_the_same_picture() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    drawn = page.partition("from the ground up:\n")[2].partition("```")[0].splitlines()
    shown = [tuple(re.match(r"  ((?:\w+  )*\w+)", line)[1].split("  ")) for line in drawn]  # type: ignore[index]
    assert shown == list(CORE)


def test_every_stage_has_a_page_and_every_page_is_in_the_index() -> None:
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    missing = {f"docs/{stage}.md" for stage in stages() if f"{stage}.md" not in pages}
    assert not missing, f"write {sorted(missing)}, and name it in docs/README.md and in `nav` of mkdocs.yml"
    unnamed = {page for page in pages if f"]({page})" not in index}
    assert not unnamed, f"name {sorted(unnamed)} in docs/README.md"


def test_imports_have_no_cycle() -> None:
    modules = {name: {other for other in imports_of(name) if MODULES[other].name != "__init__.py"} for name in MODULES}
    cycle = None
    try:
        list(TopologicalSorter({name: others - {name} for name, others in modules.items()}).static_order())
    except CycleError as error:
        cycle = error.args[1]
    assert cycle is None


def test_the_core_knows_no_orchestration() -> None:
    wrong = []
    for module in [name for name in MODULES if name.startswith("iterpref_core")]:
        nodes = list(ast.walk(parsed(module)))
        imported = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        imported |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
        known = {name.partition(".")[0] for name in imported} & {"prefect", "dvc", "mlflow"}
        wrong += [f"{module} imports {name}" for name in known]
    assert wrong == []


def stages() -> dict[str, list[Path]]:
    """What each stage of dvc.yaml depends on."""
    content = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
    return {name: [ROOT / dep for dep in stage.get("do", stage)["deps"]] for name, stage in content["stages"].items()}


def test_every_stage_of_dvc_is_one_that_runs() -> None:
    only_in_dvc = stages().keys() - STAGES.keys()
    assert not only_in_dvc, f"add rows for {sorted(only_in_dvc)} to STAGES of flows/stage.py"
    only_here = STAGES.keys() - stages().keys()
    assert not only_here, f"add {sorted(only_here)} to dvc.yaml, with the command `flows.stage NAME`"


def test_a_stage_depends_on_the_code_that_it_executes_and_on_no_other() -> None:
    """An edit reruns the stages that execute the edited file: whole rooms where all of one is executed, else files."""
    wrong = {}
    for stage, dependencies in stages().items():
        in_dvc = {path for path in dependencies if path.relative_to(ROOT).parts[0] in LAYERS}
        expected = dependencies_of(stage)
        if in_dvc != expected:
            wrong[stage] = {
                "add": sorted(str(path.relative_to(ROOT)) for path in expected - in_dvc),
                "remove": sorted(str(path.relative_to(ROOT)) for path in in_dvc - expected),
            }
    assert wrong == {}, "change the deps of these stages in dvc.yaml"


def dependencies_of(stage: str) -> set[Path]:
    """Return the files and folders of code that a stage executes: a folder where it executes all that is in there."""
    executed = {MODULES[name] for name in executed_by(f"tasks.{stage}")}
    executed = {path for path in executed if not is_docstring(path)}
    found: set[Path] = set()
    for path in executed:
        found.add(path)
        found.update(data_of(path))
    core = ROOT / "iterpref_core"
    rooms = {folder for path in executed for folder in path.parents if core in folder.parents}
    for room in rooms:
        code = {path for path in room.rglob("*.py") if not is_docstring(path)}
        if code <= executed:
            found = {path for path in found if not path.is_relative_to(room)} | {room}
    # Of a room that is in another one, the outer room is enough.
    return {path for path in found if not found.intersection(path.parents)}


def data_of(module: Path) -> set[Path]:
    """Return the folder of texts that a module reads, which has the module's name."""
    folder = module.with_suffix("")
    return {folder} if folder.is_dir() else set()


def executed_by(module: str) -> set[str]:
    """All of ours that a module can load, apart from contracts and from what only records."""
    found: set[str] = set()
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            if name.startswith(CONTRACTS):
                continue
            found.add(name)
            waiting.extend(imports_of(name))
            started = STARTED_BY.get(name)
            waiting.extend(module for module in MODULES if started is not None and module.startswith(f"{started}."))
    return found


def is_docstring(path: Path) -> bool:
    """Whether a module does nothing."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return all(isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in body)
