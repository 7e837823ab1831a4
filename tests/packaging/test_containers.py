"""Files of the containers: they pass their linters, are pinned and confined, and git has a commit in the image."""

import os
import re
import subprocess
import sys
from pathlib import Path

from iterpref_core.records.input_files import read_yaml
from tests.settings import ROOT

DOCKER = ROOT / "docker"
IMAGE = (DOCKER / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = read_yaml(DOCKER / "compose.yaml")


def test_files_pass_their_linters():
    linters = [
        ["hadolint", "--no-color", *DOCKER.glob("*Dockerfile")],
        ["check-jsonschema", "--builtin-schema", "vendor.compose-spec", *DOCKER.glob("compose*.yaml")],
        *(["sh", "-n", script] for script in DOCKER.glob("*.sh")),
    ]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for command in linters:
        done = subprocess.run(command, env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_services_are_pinned_and_reachable_from_this_machine_only():
    for name, service in COMPOSE["services"].items():
        assert re.search(r":v?\d+\.\d+", service["image"]), name
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert not [key for key in service.get("environment", {}) if re.search("PASSWORD$|SECRET|KEY$", key)]
    locked = (ROOT / "config/environments/requirements.lock").read_text(encoding="utf-8")
    for name, image in re.findall(r"image: \S*/(prefect|mlflow):v?([\d.]+\d)", (DOCKER / "compose.yaml").read_text()):
        assert f"\n{name}=={image} " in locked, "the server's version is the client's"


def test_a_run_in_the_container_clones_the_commit_that_the_image_makes(tmp_path):
    """The image's last step is run in another folder; then a run's clone is made as prefect.yaml and Compose say."""
    folder = tmp_path / "iterpref"
    folder.mkdir()
    (folder / "flows.py").write_text("", encoding="utf-8")
    step = (
        IMAGE[IMAGE.rindex("RUN ") :].partition("\nCMD")[0].removeprefix("RUN ").replace("/srv/iterpref", str(folder))
    )
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    subprocess.run(["sh", "-euc", step], cwd=folder, env=environment, check=True)
    variables = COMPOSE["services"]["project"]["environment"]
    steps = read_yaml(DOCKER / "prefect.yaml")["pull"]
    clone = next(step for name in steps for key, step in name.items() if key.endswith("git_clone"))
    assert clone["repository"] == "{{ $ITERPREF_REPOSITORY }}"
    repository = variables["ITERPREF_REPOSITORY"].replace("/srv/iterpref", str(folder))
    command = ["git", "clone", "--quiet", "--branch", clone["branch"], repository, str(tmp_path / "clone")]
    subprocess.run(command, env=environment, check=True)
    assert (tmp_path / "clone/flows.py").is_file()


def test_no_image_gets_what_git_ignores():
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    wanted = {".git"}
    for folder in ("", ".dvc/"):
        for line in (ROOT / folder / ".gitignore").read_text(encoding="utf-8").split():
            wanted.add(folder + line.strip("/") if line.startswith("/") else f"**/{folder}{line.strip('/')}")
    assert wanted <= set(ignored)
    assert "/docker/secrets/" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
