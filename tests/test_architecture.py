"""Imports point one way, and DVC knows all the code that a stage executes."""

import ast
import re
import sys
from graphlib import CycleError, TopologicalSorter

import pytest

from scripts.import_graph import (
    LAYERS,
    MODULES,
    dependencies_of,
    edits_table,
    graph_text,
    imports_of,
    named_in_strings,
    names_in,
    parsed,
)
from tasks.stages import STAGES
from tests.settings import ROOT

pytestmark = pytest.mark.together("sources")  # parsed once

ROOMS = {
    "records": "",
    "storage": "",
    "programs": "source_code answers",
    "execution": "packets isolation codec parsing comparison solution protocol sandbox ruling running problem_programs "
    "samples",
    "models": "pretrained inference prompts",
    "nanolab": "",
    "problems": "composition screening validity own_code ingestion synthesis",
    "pairs": "codeflow localization selection ingestion",
    "training": "launch objectives data model repair_nll pair_checks trainer estimate library",
    "evaluation": "statistics benchmarks evaluation report scoring sharing",
    "cli": "",
}
"""The core's rooms in the order of the way, each with its packages from the ground up. A room imports itself and those
before it, and so does a package inside a room. docs/architecture.md shows the same picture."""


def room(module):
    """The core's room that a module is in."""
    parts = module.split(".")
    return parts[1] if parts[0] == "iterpref_core" and len(parts) > 1 else None


def upward_imports(floor):
    """Return the imports of modules by those on a lower floor; None is on no floor."""
    floors = {name: floor(name) for name in MODULES}
    return [
        f"{name} imports {other}"
        for name in MODULES
        for other in imports_of(name)
        if None not in (floors[name], floors[other]) and floors[other] > floors[name]
    ]


def test_imports_point_one_way():
    assert upward_imports(lambda name: LAYERS.index(name.partition(".")[0])) == []


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
def test_a_module_that_is_named_in_a_string_counts_as_imported(code):
    assert named_in_strings(ast.parse(code)) & {"flows", "flows.cli", "flows.stage"}


def test_words_that_are_names_of_modules_too_do_not_count():
    """Nor do docstrings, which nothing executes."""
    code = '"""Called by `python -m flows.stage`."""\nfolders = ["flows", "tasks"]'
    assert not named_in_strings(ast.parse(code)) & MODULES.keys()


def test_every_room_is_in_the_table():
    rooms = {name for name in map(room, MODULES) if name is not None}
    assert rooms == set(ROOMS), "name the rooms of iterpref_core in ROOMS, and in docs/architecture.md"


def test_rooms_import_downwards():
    floors = {name: number for number, name in enumerate(ROOMS)}
    assert upward_imports(lambda name: floors.get(room(name))) == [], "share code in an earlier room"


def names_for_others(room):
    """Return what `__all__` of a room lists."""
    for node in parsed(f"iterpref_core.{room}").body:
        match node:
            case ast.Assign(targets=[ast.Name(id="__all__")], value=value):
                return list(ast.literal_eval(value))
    return []


@pytest.mark.parametrize("entered", [name for name in ROOMS if name not in {"execution", "records", "cli"}])
def test_a_room_is_entered_by_the_names_that_it_lists(entered):
    """`execution` and `records` list functions and classes, and `cli` is entered by programs alone."""
    package = f"iterpref_core.{entered}"
    used = {
        other.split(".")[2]
        for name in MODULES
        if name != "iterpref_core" and room(name) != entered
        for other in imports_of(name)
        if other.startswith(f"{package}.")
    }
    listed = {name for name in names_for_others(entered) if f"{package}.{name}" in MODULES}
    assert used == listed, f"__all__ of {package} lists the modules that other rooms import, and no others"


def at_the_head(module):
    """Return what the head of a module imports as it is loaded; our own modules by their names in this project."""
    package = module.rpartition(".")[0]
    found = set()
    for node in parsed(module).body:
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.rsplit(".", node.level - 1)[0] if node.level else ""
            source = ".".join(part for part in (base, node.module or "") if part)
            inner = {f"{source}.{alias.name}" for alias in node.names} & MODULES.keys()
            found |= inner or {source}
    return found


def loaded_with(modules):
    """Return our own modules that are loaded with some of them."""
    loaded = set()
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name not in loaded:
            loaded.add(name)
            waiting += at_the_head(name) & MODULES.keys()
    return loaded


@pytest.mark.parametrize("name", [name for name, packages in ROOMS.items() if packages])
def test_packages_of_a_room_import_downwards(name):
    packages = ROOMS[name].split()

    def floor(module):
        _, own, inner, *_ = f"{module}...".split(".")
        if own != name or not inner:
            return None
        return packages.index(inner) if inner in packages else len(packages)

    assert upward_imports(floor) == []


def test_a_zygote_loads_the_standard_library_and_a_few_rooms_alone():
    """It runs in interpreters that have nothing else; what it loads imports the rest in functions of the supervisor."""
    execution = "iterpref_core.execution"
    started = ("sandbox.zygote", "isolation.probes")
    loaded = loaded_with(f"{execution}.{name}" for name in started)
    rooms = {name.removeprefix(f"{execution}.").partition(".")[0] for name in loaded}
    assert rooms == {"packets", "isolation", "codec", "solution", "protocol", "sandbox"}
    foreign = {
        f"{name} imports {other}"
        for name in loaded
        for other in at_the_head(name)
        if other not in MODULES and other.partition(".")[0] not in sys.stdlib_module_names
    }
    assert foreign == set()


def test_a_model_without_adapters_is_loaded_without_the_libraries_of_adapters():
    """PEFT brings bitsandbytes, which warns of kernels that it looks for on a hub. Read, for torch takes seconds."""
    heads = {
        other.partition(".")[0]
        for name in loaded_with(["iterpref_core.models.pretrained.weights"])
        for other in at_the_head(name)
    }
    assert {"torch", "transformers"} <= heads
    assert heads.isdisjoint({"peft", "bitsandbytes"})


def test_the_page_of_docs_shows_the_same_picture():
    page = (ROOT / "docs" / "architecture.md").read_text()
    drawn = page.partition("\niterpref_core/")[2].partition("```")[0].splitlines()
    shown = [found[1] for line in drawn if (found := re.match(r"  (\w+)/", line))]
    assert shown == list(ROOMS)


def test_every_stage_has_a_link_to_its_text_and_every_page_is_in_the_index():
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}
    index = (ROOT / "docs" / "README.md").read_text()
    table = (ROOT / "docs" / "architecture.md").read_text()
    missing = [stage for stage in STAGES if f"| [{stage}](" not in table]
    assert not missing, f"describe {missing} on a page, and link it in the table of stages of docs/architecture.md"
    unnamed = {page for page in pages if f"]({page})" not in index}
    assert not unnamed, f"name {sorted(unnamed)} in docs/README.md"


def test_imports_have_no_cycle():
    modules = {name: {other for other in imports_of(name) if MODULES[other].name != "__init__.py"} for name in MODULES}
    cycle = None
    try:
        list(TopologicalSorter({name: others - {name} for name, others in modules.items()}).static_order())
    except CycleError as error:
        cycle = error.args[1]
    assert cycle is None


def test_the_core_knows_no_orchestration():
    wrong = []
    for module in [name for name in MODULES if name.startswith("iterpref_core")]:
        known = {name.partition(".")[0] for name in names_in(parsed(module), "")} & {"prefect", "dvc", "mlflow"}
        wrong += [f"{module} imports {name}" for name in known]
    assert wrong == []


def test_the_graph_is_made_of_the_stages_pages_and_of_the_code_that_each_executes():
    """An edit reruns the stages that execute the edited file: whole rooms where all of one is executed, else files."""
    assert (ROOT / "dvc.yaml").read_text() == graph_text(), "run `make graph`"


def test_the_page_of_edits_has_each_stage_and_the_code_that_reruns_none():
    table = edits_table()
    assert "| `iterpref_core/nanolab` | nanolab |" in table
    assert [stage for stage in STAGES if not re.search(rf"[ ,]{stage}[ ,]", table)] == []
    assert re.search(r"(?m)^\| .*`iterpref_core/storage` .*`tasks/paths` \| no stage \|$", table)


def test_an_edit_reruns_no_stage_that_does_not_execute_it():
    stages_of = {}
    for edited in (
        "models/inference/openai_model.py",
        "pairs/localization/localization.py",
        "evaluation/sharing/export_model.py",
    ):
        path = ROOT / "iterpref_core" / edited
        assert path.exists()
        stages_of[edited] = [
            stage for stage in STAGES if any(path.is_relative_to(dependency) for dependency in dependencies_of(stage))
        ]
    assert stages_of == {
        "models/inference/openai_model.py": ["codeflow", "evaluation"],
        "pairs/localization/localization.py": ["localization"],
        "evaluation/sharing/export_model.py": [],
    }
