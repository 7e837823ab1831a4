"""Files of the containers: they pass their linters, are pinned and confined, and git has a commit in the image."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from iterpref_core.execution.isolation import IN_A_CONTAINER
from tests.settings import ROOT

DOCKER = ROOT / "docker"
IMAGE = (DOCKER / "Dockerfile").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text(encoding="utf-8"))


def test_files_pass_their_linters() -> None:
    linters: list[list[str | Path]] = [
        ["hadolint", "--no-color", *DOCKER.glob("*Dockerfile")],
        ["check-jsonschema", "--builtin-schema", "vendor.compose-spec", *DOCKER.glob("compose*.yaml")],
        ["sh", "-n", DOCKER / "worker.sh"],
    ]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for command in linters:
        done = subprocess.run(command, env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_services_are_pinned_and_reachable_from_this_machine_only() -> None:
    for name, service in COMPOSE["services"].items():
        assert re.search(r":v?\d+\.\d+", service["image"]), name
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert not [key for key in service.get("environment", {}) if re.search("PASSWORD$|SECRET|KEY$", key)]
    locked = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    for name, image in re.findall(r"image: \S*/(prefect|mlflow):v?([\d.]+\d)", (DOCKER / "compose.yaml").read_text()):
        assert f"\n{name}=={image}\n" in locked, "the server's version is the client's"


def test_the_image_is_a_repository_with_a_commit_and_an_unprivileged_user() -> None:
    assert re.search(r"USER 1000:1000\n(?:.*\n)*RUN .*(?:.*\n)*.*git init.* git commit ", IMAGE)
    page = (ROOT / "docs/containers.md").read_text(encoding="utf-8")
    assert IN_A_CONTAINER in " ".join(page.replace("\\\n", "").split()), "what `make demo` names"


def test_no_image_gets_what_git_ignores() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    wanted = {".git"}
    for folder in ("", ".dvc/"):
        for line in (ROOT / folder / ".gitignore").read_text(encoding="utf-8").split():
            wanted.add(folder + line.strip("/") if line.startswith("/") else f"**/{folder}{line.strip('/')}")
    assert wanted <= set(ignored)
    assert "/docker/secrets/" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
