"""Imports point one way, and DVC knows all the code that a stage executes."""

import ast
from functools import cache
from pathlib import Path

import pytest
import yaml

from tests.settings import ROOT

LAYERS = ("iterpref_core", "tasks", "flows")  # each may import itself and those before it
SERVICES = {"execution", "inference"}
RECORDING = ("flows.stage", "tasks.orchestration", "tasks.recording")
"""What starts, watches and records stages: none of it can change an artifact, so no stage depends on it."""


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for layer in LAYERS for path in sorted((ROOT / layer).rglob("*.py"))}


@cache
def imports_of(module: str) -> frozenset[str]:
    """Our own modules that a module imports, anywhere in its text."""
    path = MODULES[module]
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.rsplit(".", node.level - 1)[0] if node.level else ""
            source = ".".join(part for part in (base, node.module or "") if part)
            found.add(source)
            found.update(f"{source}.{alias.name}" for alias in node.names)
    return frozenset(name for name in found if name in MODULES)


def stage_package(module: str) -> str | None:
    """The package of a stage that a module of the core belongs to."""
    parts = module.split(".")
    is_package = len(parts) > 2 or MODULES[module].name == "__init__.py"
    return parts[1] if parts[0] == "iterpref_core" and len(parts) > 1 and is_package else None


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_one_way(module: str) -> None:
    rank = LAYERS.index(module.partition(".")[0])
    upwards = [name for name in imports_of(module) if LAYERS.index(name.partition(".")[0]) > rank]
    assert not upwards, f"{module} imports {upwards}"


@pytest.mark.parametrize("module", [name for name in MODULES if stage_package(name)])
def test_a_stage_imports_no_other_stage(module: str) -> None:
    own = stage_package(module)
    others = {stage_package(name) for name in imports_of(module)} - {None, own} - SERVICES
    assert not others, f"{module} imports {others}; share code in a root module or a service"


def test_records_and_errors_import_nothing_of_ours() -> None:
    assert not imports_of("iterpref_core.records")
    assert not imports_of("iterpref_core.errors")


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith("iterpref_core")])
def test_the_core_knows_no_orchestration(module: str) -> None:
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not {name.partition(".")[0] for name in imported} & {"prefect", "dvc", "mlflow"}


@pytest.mark.parametrize("flow", sorted((ROOT / "flows").glob("*.py")), ids=lambda path: path.stem)
def test_flows_have_real_annotations(flow: Path) -> None:
    """Prefect reads a served flow's annotations; postponed ones break it."""
    assert "from __future__ import annotations" not in flow.read_text(encoding="utf-8")


def stages() -> dict[str, dict[str, object]]:
    content: dict[str, dict[str, dict[str, object]]] = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
    return {name: dict(stage.get("do", stage)) for name, stage in content["stages"].items()}


@pytest.mark.parametrize("stage", stages())
def test_a_stage_depends_on_all_the_code_it_executes(stage: str) -> None:
    deps = [ROOT / str(dep) for dep in stages()[stage]["deps"]]  # type: ignore[attr-defined]
    executed = [MODULES[name] for name in executed_by(f"flows.{stage}")]
    missing = [
        str(path.relative_to(ROOT))
        for path in executed
        if path.stat().st_size > 0 and not is_docstring(path) and not any(path.is_relative_to(dep) for dep in deps)
    ]
    assert not missing, f"add to the deps of stage {stage} in dvc.yaml: {missing}"


@pytest.mark.parametrize("stage", stages())
def test_a_stage_depends_on_no_code_it_does_not_execute(stage: str) -> None:
    executed = [MODULES[name] for name in executed_by(f"flows.{stage}")]
    deps = [ROOT / str(dep) for dep in stages()[stage]["deps"]]  # type: ignore[attr-defined]
    code = [dep for dep in deps if dep.relative_to(ROOT).parts[0] in LAYERS and dep.suffix in ("", ".py")]
    idle = [str(dep.relative_to(ROOT)) for dep in code if not any(path.is_relative_to(dep) for path in executed)]
    assert not idle, f"stage {stage} would rerun for nothing when these change: {idle}"


def executed_by(module: str) -> set[str]:
    """The module and all of ours that it can load, apart from what only records."""
    found: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in found and not name.startswith(RECORDING):
            found.add(name)
            waiting.extend(imports_of(name))
    return found


def is_docstring(path: Path) -> bool:
    """Whether a module does nothing."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return all(isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in body)
