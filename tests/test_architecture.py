"""Imports point one way, and DVC knows all the code that a stage executes."""

import ast
from functools import cache
from pathlib import Path

import yaml

from tests.settings import ROOT

LAYERS = ("iterpref_core", "tasks", "flows")  # each may import itself and those before it
SERVICES = {"execution", "inference"}
RECORDING = ("flows.runner", "tasks.orchestration", "tasks.recording")
"""What starts, watches and records stages: none of it can change an artifact, so no stage depends on it."""


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for layer in LAYERS for path in sorted((ROOT / layer).rglob("*.py"))}


@cache
def parsed(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


@cache
def imports_of(module: str) -> frozenset[str]:
    """Our own modules that a module imports, anywhere in its text."""
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
    return frozenset(name for name in found if name in MODULES)


def stage_package(module: str) -> str | None:
    """The package of a stage that a module of the core belongs to."""
    parts = module.split(".")
    is_package = len(parts) > 2 or MODULES[module].name == "__init__.py"
    return parts[1] if parts[0] == "iterpref_core" and len(parts) > 1 and is_package else None


def test_imports_point_one_way() -> None:
    rank = {name: LAYERS.index(name.partition(".")[0]) for name in MODULES}
    upwards = [f"{name} imports {other}" for name in MODULES for other in imports_of(name) if rank[other] > rank[name]]
    assert upwards == []


def test_a_stage_imports_no_other_stage() -> None:
    others = {
        name: {stage_package(other) for other in imports_of(name)} - {None, stage_package(name)} - SERVICES
        for name in MODULES
        if stage_package(name)
    }
    wrong = [f"{name} imports {packages}" for name, packages in others.items() if packages]
    assert wrong == [], "share code in a root module or a service"


def test_records_and_errors_import_nothing_of_ours() -> None:
    assert not imports_of("iterpref_core.records")
    assert not imports_of("iterpref_core.errors")


def test_the_core_knows_no_orchestration() -> None:
    wrong = []
    for module in [name for name in MODULES if name.startswith("iterpref_core")]:
        nodes = list(ast.walk(parsed(module)))
        imported = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        imported |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
        known = {name.partition(".")[0] for name in imported} & {"prefect", "dvc", "mlflow"}
        wrong += [f"{module} imports {name}" for name in known]
    assert wrong == []


def test_flows_have_real_annotations() -> None:
    """Prefect reads a served flow's annotations; postponed ones break it."""
    flows = sorted((ROOT / "flows").glob("*.py"))
    postponed = [flow.name for flow in flows if "from __future__ import annotations" in flow.read_text("utf-8")]
    assert flows
    assert postponed == []


def stages() -> dict[str, list[Path]]:
    """What each stage of dvc.yaml depends on."""
    content = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
    return {name: [ROOT / dep for dep in stage.get("do", stage)["deps"]] for name, stage in content["stages"].items()}


def test_a_stage_depends_on_all_the_code_it_executes() -> None:
    missing = {}
    for stage, deps in stages().items():
        executed = [MODULES[name] for name in executed_by(f"flows.{stage}")]
        missing[stage] = [
            str(path.relative_to(ROOT))
            for path in executed
            if path.stat().st_size > 0 and not is_docstring(path) and not any(path.is_relative_to(dep) for dep in deps)
        ]
    assert {stage: paths for stage, paths in missing.items() if paths} == {}, "add them to the deps in dvc.yaml"


def test_a_stage_depends_on_no_code_it_does_not_execute() -> None:
    idle = {}
    for stage, deps in stages().items():
        executed = [MODULES[name] for name in executed_by(f"flows.{stage}")]
        code = [dep for dep in deps if dep.relative_to(ROOT).parts[0] in LAYERS and dep.suffix in ("", ".py")]
        idle[stage] = [
            str(dep.relative_to(ROOT)) for dep in code if not any(path.is_relative_to(dep) for path in executed)
        ]
    assert {stage: deps for stage, deps in idle.items() if deps} == {}, "the stage would rerun for nothing"


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
