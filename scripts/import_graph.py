"""Make dvc.yaml of the stages' pages, and of the code that each stage executes, which is found by its imports.

`make graph` writes it. As a hook of MkDocs this module adds the table to the page docs/edits.md.
"""

import ast
import re
from collections import defaultdict
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from dvc.utils.serialize import dumps_yaml

from iterpref_core.records import HOME, read_yaml
from tasks.external_inputs import EXTERNAL
from tasks.stages import STAGES
from tasks.stages.stage import ITEM, KEY, Stage

ROOT = Path(__file__).parents[1]
PAGE = "edits.md"
LAYERS = ("iterpref_core", "tasks", "flows", "iterpref_cli")
"""Each may import itself and those before it."""

GROUND = tuple(
    f"iterpref_core.records.{name}"
    for name in (
        "artifacts",
        "config",
        "digest",
        "errors",
        "input_files",
        "prompt_messages",
        "results",
        "stage_results",
        "statement",
    )
)
CONTRACTS = (
    *GROUND,
    "iterpref_core.storage",
    "iterpref_core.cli",
    "iterpref_core.training.launch",
    "tasks.paths",
)
"""What no stage depends on, though all execute it: the value of a knob is a parameter, a field whose meaning changes
gets another name, and the rest is messages and files (docs/decisions.md)."""


def is_contract(module: str) -> bool:
    """Return True for a module of `CONTRACTS`, or of one of its packages; not all of the room of records is listed."""
    return module == "iterpref_core.records" or module.startswith(CONTRACTS)


STARTED_BY = {
    "iterpref_core.execution.isolation.tiers": "iterpref_core.execution.isolation",
    "iterpref_core.execution.running.workers": "iterpref_core.execution.sandbox",
    "iterpref_core.problems.own_code.survey": "iterpref_core.problems.own_code.inside",
    "iterpref_core.evaluation.benchmarks.suites": "iterpref_core.evaluation.benchmarks",
    "iterpref_core.models.inference.backend_factory": "iterpref_core.models.inference",
}
"""Module → the package whose files that module starts: as programs in the sandbox, or by the names in a table."""


def module_name(path: Path) -> str:
    """Return the dotted name of a module by its file."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def files_of(layer: str) -> list[Path]:
    """Return the files of a layer, which is a folder or one file."""
    file = ROOT / f"{layer}.py"
    return [file] if file.exists() else sorted((ROOT / layer).rglob("*.py"))


MODULES = {module_name(path): path for layer in LAYERS for path in files_of(layer)}


@cache
def parsed(module: str) -> ast.Module:
    """Return the syntax tree of a module."""
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


@cache
def imports_of(module: str) -> frozenset[str]:
    """Return our own modules that a module imports, or names in a string, anywhere in its text."""
    path = MODULES[module]
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    return frozenset(names_in(parsed(module), package) & MODULES.keys())


def names_in(tree: ast.Module, package: str) -> set[str]:
    """Return the dotted names that code of a package imports, or names in a string; not all of them are modules."""
    found = named_in_strings(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.rsplit(".", node.level - 1)[0] if node.level else ""
            source = ".".join(part for part in (base, node.module or "") if part)
            found.add(source)
            # A name of the room of records is imported from the room, and defined in one of its modules.
            homes = HOME if source == "iterpref_core.records" else {}
            found.update(f"{source}.{homes.get(alias.name, alias.name)}" for alias in node.names)
    return found


def named_in_strings(tree: ast.Module) -> set[str]:
    """Return the modules that strings of code name, apart from docstrings.

    `import_module("flows.cli")`, `["-m", "iterpref_cli"]` and `"python -m flows.stage"` name one each. A name without a
    dot is also a word, such as "tasks": it counts after `-m` and in calls of `import_module`.
    """
    found: set[str] = set()
    nodes = list(ast.walk(tree))
    docstrings = {node.value for node in nodes if isinstance(node, ast.Expr)}
    for node in nodes:
        match node:
            case ast.Constant(value=str() as text) if node not in docstrings:
                found.update(re.findall(r"-m (\w+(?:\.\w+)*)", text))
                if "." in text:
                    found.add(text.partition(":")[0])
            case ast.List(elts=items) | ast.Tuple(elts=items):
                found.update(behind_minus_m(items))
            case ast.Call(func=called, args=arguments):
                found.update(behind_minus_m(arguments))
                name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
                if name == "import_module":
                    found.update(texts_of(arguments[:1]))
    return found


def behind_minus_m(items: list[ast.expr]) -> list[str]:
    """Return the text after "-m" among the items of a command."""
    found: list[str] = []
    for option, name in pairwise(items):
        if texts_of([option]) == ["-m"]:
            found += texts_of([name])
    return found


def texts_of(nodes: list[ast.expr]) -> list[str]:
    """Return the texts among nodes of a syntax tree."""
    return [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]


@cache
def dependencies_of(stage: str) -> frozenset[Path]:
    """Return the files and folders of code that a stage executes: a folder where it executes all that is in there."""
    executed = {MODULES[name] for name in executed_by(STAGES[stage].work.partition(":")[0])}
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
    return frozenset(path for path in found if not found.intersection(path.parents))


def data_of(module: Path) -> set[Path]:
    """Return the folder of texts that a module reads, which has the module's name."""
    folder = module.with_suffix("")
    return {folder} if folder.is_dir() else set()


def executed_by(module: str) -> set[str]:
    """Return our modules that a module can load, apart from contracts and from what only records."""
    found: set[str] = set()
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            if is_contract(name):
                continue
            found.add(name)
            waiting.extend(imports_of(name))
            started = STARTED_BY.get(name)
            waiting.extend(module for module in MODULES if started is not None and module.startswith(f"{started}."))
    return found


@cache
def is_docstring(path: Path) -> bool:
    """Return True for a module without code: it has a docstring, and may list names in `__all__`."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        match node:
            case ast.Expr(value=ast.Constant()) | ast.Assign(targets=[ast.Name(id="__all__")]):
                continue
            case _:
                return False
    return True


HEADER = """\
# The one graph, which `make graph` writes: of the stages' pages in tasks/stages, and of the code that each stage
# executes, by its imports (docs/edits.md shows what an edit reruns). A stage depends on no other code, on the
# parameters that it reads, on what earlier stages wrote (each output by its own name, because `dvc repro --pull`
# fetches no folder that several stages write into), and on what it reads from outside of the checkout: versions of
# libraries and Python, files of models that params.yaml names, copies of benchmarks that the environment names
# (.iterpref/external.yaml, which config/dvc.yaml writes each time). `iterpref_core/records/config.py`, `records.py`,
# `results.py`, `errors.py`, `progress.py`, and `storage/` are no dependencies: a knob's value is a parameter, a field
# whose meaning changes gets another name, and the rest is messages and files (docs/decisions.md). `dvc repro` runs
# it; `iterpref run` runs the same stages as tasks of a Prefect flow, independent ones at the same time. `metrics` are
# what people compare (`dvc exp show`); what a stage counts is a plain output in metrics/. A command finds the
# project's environment whether or not it is activated (flows/stage.sh). Stages without `${…}` can be frozen (`dvc
# freeze`). The vars let the report's command name the models.
"""

OF_NO_RESULT = (
    "execution.engine",
    "execution.environments",
    "execution.workers",
    "inference.base_url",
    "inference.requests_per_minute",
    "inference.timeout_s",
)
"""Parameters of where and how fast a stage works. No result depends on them, and so no stage."""


def graph_text() -> str:
    """Return the text of dvc.yaml."""
    plots = [plot for stage in STAGES.values() for plot in stage.plots]
    stages = {name: entry_of(stage) for name, stage in STAGES.items()}
    text = dumps_yaml({"vars": ["dvc.yaml:stages"], "stages": stages, "plots": plots})
    return HEADER + re.sub(r"(?m)^(?=  \w+:$|\w+:$)", "\n", text)


def entry_of(stage: Stage) -> dict[str, Any]:
    """Return the entry of a stage in dvc.yaml."""
    key = ITEM if stage.place is None else KEY
    words = stage.named_by or (key if stage.items else "")
    code = [path.relative_to(ROOT) for path in dependencies_of(stage.name)]
    reads = [path for paths in stage.reads.values() for path in (paths if isinstance(paths, tuple) else (paths,))]
    deps = sorted({str(path) for path in (*code, *reads, *stage.after)})
    body = {
        "cmd": f"sh flows/stage.sh {stage.name} {words}".strip(),
        "deps": deps,
        "params": params_of(stage),
        "outs": sorted(map(str, (*stage.writes.values(), stage.metrics_path(key if stage.items else "")))),
        "metrics": list(map(str, stage.compared.values())),
        "plots": list(map(str, stage.plotted.values())),
    }
    body = {name: value for name, value in body.items() if value}
    if not stage.items:
        return body
    items = list(stage.items)
    return {"foreach": {item: str(stage.place(item)) for item in items} if stage.place else items, "do": body}


def params_of(stage: Stage) -> list[Any]:
    """Return the parameters that a stage depends on: sections, or their keys where one of them has no effect on it."""
    if stage.params == ["*"]:
        return [{"params.yaml": None}]
    values = read_yaml(ROOT / "params.yaml")
    without = {name.removeprefix("-") for name in stage.params if name.startswith("-")} | {*OF_NO_RESULT}
    found: list[Any] = []
    for name in stage.params:
        keys = [f"{name}.{key}" for key in values.get(name, ())]
        if without.isdisjoint(keys):
            found += [] if name.startswith("-") else [name]
        else:
            found += [key for key in keys if key not in without]
    external = [f"external.{name}" for name in stage.external]
    return [*sorted(found), *([{str(EXTERNAL): external}] if external else [])]


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Return the text of a page of the site; the page of edits gets its table."""
    return markdown + edits_table() if page.file.src_uri == PAGE else markdown


def edits_table() -> str:
    """Return the files whose edit reruns no stage, and for each set of stages the code whose edit reruns them."""
    dependencies = {stage: dependencies_of(stage) for stage in STAGES}
    code = defaultdict(list)
    for entry in sorted(set[Path]().union(*dependencies.values())):
        # A file may be an entry of one stage, and its whole folder the entry of another.
        users = [stage for stage, paths in dependencies.items() if any(entry.is_relative_to(path) for path in paths)]
        code[", ".join(users)].append(f"`{entry.relative_to(ROOT)}`")
    lines = ["", "| an edit of | reruns |", "|---|---|"]
    lines += [f"| {' '.join(entries)} | {users} |" for users, entries in code.items()]
    contracts = " ".join("`" + name.replace(".", "/") + "`" for name in sorted(CONTRACTS))
    lines.append(f"| {contracts} | no stage |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write dvc.yaml."""
    (ROOT / "dvc.yaml").write_text(graph_text(), encoding="utf-8")


if __name__ == "__main__":
    main()
