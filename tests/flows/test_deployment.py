"""What is deployed fits the code: Prefect's deployment, and the containers."""

import importlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.settings import ROOT


def load(path: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))
    return content


@pytest.mark.parametrize("deployment", load("prefect.yaml")["deployments"], ids=lambda each: each["entrypoint"])
def test_a_deployment_names_its_flow_and_all_parameters(deployment: dict[str, Any]) -> None:
    path, _, name = deployment["entrypoint"].partition(":")
    flow = getattr(importlib.import_module(path.removesuffix(".py").replace("/", ".")), name)
    assert set(deployment["parameters"]) == set(flow.parameters.properties)


def test_versions_are_those_of_the_lock() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    assert f"prefect=={load('prefect.yaml')['prefect-version']}" in lock
    assert "torch==2.13.0" in lock
    assert not [line for line in lock if line.startswith(("nvidia", "triton", "--", "cuda"))]
    assert not [line for line in lock if "://" in line or line.startswith("/")]


DOCKER = ROOT / "docker"
DOCKERFILES = sorted(DOCKER.glob("*.Dockerfile"))
COMPOSE = sorted(DOCKER.glob("compose*.yaml"))


def test_dockerfiles_and_compose_files_pass_their_linters() -> None:
    linters = [
        ["hadolint", "--no-color", *DOCKERFILES],
        ["check-jsonschema", "--builtin-schema", "vendor.compose-spec", *COMPOSE],
        *(["sh", "-n", script] for script in [*DOCKER.glob("*.sh"), *DOCKER.glob("run/*.sh")]),
    ]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for command in linters:
        done = subprocess.run(command, env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.stem)
def test_an_image_is_pinned_unprivileged_and_says_how_it_is(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    stages: set[str] = set()
    user = ""
    for line in lines:
        if line.startswith("FROM "):
            base, *name = line.removeprefix("FROM ").split(" AS ")
            assert base in stages or re.search(r":.*\d+[.-]\d+", base), f"{base}: not an exact version"
            assert "latest" not in base
            stages.update(name)
        elif line.startswith("USER "):
            user = line.removeprefix("USER ")
    assert user
    assert user.split(":")[0] not in {"0", "root"}
    assert any(line.startswith("HEALTHCHECK ") for line in lines)
    assert not [
        line for line in lines if line.startswith("ADD ") or re.search("password|secret|api_key", line, re.IGNORECASE)
    ]


def test_no_image_gets_what_git_ignores() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    wanted = {".git"}
    for folder in ("", ".dvc/"):
        for line in (ROOT / folder / ".gitignore").read_text(encoding="utf-8").split():
            wanted.add(folder + line.strip("/") if line.startswith("/") else f"**/{folder}{line.strip('/')}")
    assert wanted <= set(ignored)
    assert not [line for line in ignored if line.startswith("!")]
    assert not list(DOCKER.glob("*ignore")), "Docker would read it instead of .dockerignore, and Podman 4 would not"


def test_the_pipelines_image_is_a_repository_for_dvc_and_a_slow_first_start_is_waited_for() -> None:
    image = (DOCKER / "pipeline.Dockerfile").read_text(encoding="utf-8")
    assert re.search(r"USER 1000:1000\n(?:.+\n)*RUN .*git init", image)
    services = load("docker/compose.yaml")["services"]
    for name in ("prefect", "mlflow", "worker"):
        assert services[name]["healthcheck"]["start_period"] == "300s", name
    assert "--start-period=300s" in image


def test_services_are_confined_health_checked_and_reachable_from_this_machine_only() -> None:
    content = load("docker/compose.yaml")
    services = content["services"]
    assert set(services) == {"postgres", "s3", "prefect", "mlflow", "worker", "vllm"}
    ports = [port for service in services.values() for port in service.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)
    for name, service in services.items():
        assert service["healthcheck"]["test"][0] == "CMD", name
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert not service.get("privileged")
        assert not [key for key in service.get("environment", {}) if re.search("PASSWORD|SECRET|KEY$", key)]
        image = DOCKER.parent / service["build"]["dockerfile"]
        script = f"{name}.sh"
        assert (DOCKER / "run" / script).is_file()
        assert script in " ".join(service.get("command", ())) + image.read_text(encoding="utf-8")
    assert {f"secrets/{name}" for name in content["secrets"]} == {
        secret["file"] for secret in content["secrets"].values()
    }


def test_secrets_are_made_once_for_their_owner_alone_and_stay_out_of_git(tmp_path: Path) -> None:
    shutil.copy(DOCKER / "secrets.sh", tmp_path)
    made = []
    for _ in range(2):
        subprocess.run(["sh", tmp_path / "secrets.sh"], check=True)
        made.append({path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()})
    assert made[0] == made[1]
    assert set(made[0]) == set(load("docker/compose.yaml")["secrets"])
    assert all(re.fullmatch("[0-9a-f]{40}", secret) for secret in made[0].values())
    assert len(set(made[0].values())) == len(made[0])
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    assert "/docker/secrets/" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
