"""Files of the containers: they pass their linters, are pinned and confined, and git has a commit in the image."""

import os
import re
import runpy
import shutil
import stat
import subprocess
import sys
from pathlib import Path

from iterpref_core.records import read_yaml
from tests.settings import ROOT

DOCKER = ROOT / "docker"
IMAGE = (DOCKER / "Dockerfile").read_text()
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
    locked = (ROOT / "config/environments/requirements.lock").read_text()
    assert re.search(r"pip install --no-cache-dir uv==\d", IMAGE)
    for name, image in re.findall(r"image: \S*/(prefect|mlflow):v?([\d.]+\d)", (DOCKER / "compose.yaml").read_text()):
        assert f"\n{name}=={image} " in locked, "the server's version is the client's"


def test_prefect_asks_for_a_password_which_its_containers_can_read(tmp_path):
    script = tmp_path / "docker/secrets.sh"
    script.parent.mkdir()
    shutil.copy2(DOCKER / "secrets.sh", script)
    for _ in range(2):
        subprocess.run(["sh", script], umask=0o077, check=True)
        made = {path.name: path.read_text(encoding="ascii") for path in (tmp_path / "docker/secrets").iterdir()}
    assert set(made) == set(COMPOSE["secrets"])
    assert re.fullmatch("iterpref:[0-9a-f]{40}\n", made["prefect_auth"])
    assert re.fullmatch("[0-9a-f]{40}", made["postgres_password"])
    modes = [
        stat.S_IMODE(path.stat().st_mode) for path in (script.parent / "secrets", *script.parent.glob("secrets/*"))
    ]
    assert modes == [0o700, 0o644, 0o644], "PostgreSQL is another user"
    services = COMPOSE["services"]
    assert "PREFECT_SERVER_API_AUTH_STRING=$$(cat /run/secrets/prefect_auth)" in services["prefect"]["command"][-1]
    assert services["prefect"]["environment"]["PREFECT_SERVER_CORS_ALLOWED_ORIGINS"].startswith("http://127.0.0.1:")
    for name in ("prefect", "project"):
        assert "prefect_auth" in services[name]["secrets"]


def test_the_tunnel_of_a_remote_user_may_have_any_port_and_no_other_host_is_answered():
    import mlflow

    # Alone: the server's package, with all that it imports, takes a second.
    source = Path(mlflow.__file__).with_name("server") / "security_utils.py"
    is_allowed = runpy.run_path(str(source))["is_allowed_host_header"]
    given = COMPOSE["services"]["mlflow"]["command"].split("--allowed-hosts ")[1].split()[0].split(",")
    hosts = {"127.0.0.1:5001": True, "localhost:77": True, "mlflow:5000": True, "evil.example:5000": False}
    assert {host: is_allowed(given, host) for host in hosts} == hosts


def test_no_image_gets_what_git_ignores():
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    wanted = {".git"}
    for folder in ("", ".dvc/"):
        for line in (ROOT / folder / ".gitignore").read_text().split():
            wanted.add(folder + line.strip("/") if line.startswith("/") else f"**/{folder}{line.strip('/')}")
    assert wanted <= set(ignored)
    assert "/docker/secrets/" in (ROOT / ".gitignore").read_text().splitlines()
