"""What is deployed fits the code: Prefect's deployment, and the containers."""

import importlib
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]


def load(path: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))
    return content


def test_the_deployment_names_the_flow_and_its_parameters() -> None:
    (deployment,) = load("prefect.yaml")["deployments"]
    path, _, name = deployment["entrypoint"].partition(":")
    flow = getattr(importlib.import_module(path.removesuffix(".py").replace("/", ".")), name)
    assert set(deployment["parameters"]) == set(flow.parameters.properties)


def test_versions_are_those_of_the_lock() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    assert f"prefect=={load('prefect.yaml')['prefect-version']}" in lock
    assert "torch==2.13.0" in lock
    assert not [line for line in lock if line.startswith(("nvidia", "triton", "--", "cuda"))]
    assert not [line for line in lock if "://" in line or line.startswith("/")]


def test_containers_are_pinned_and_reachable_from_this_machine_only() -> None:
    services = load("docker/compose.yaml")["services"]
    ports = [port for service in services.values() for port in service.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert all("healthcheck" in service for service in services.values())
    dockerfile = (ROOT / "docker" / "Dockerfile").read_text(encoding="utf-8")
    assert "FROM python:3.11.13-slim-bookworm" in dockerfile
    assert "USER iterpref" in dockerfile
