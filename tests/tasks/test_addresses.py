"""Addresses with passwords: none is in a message, a file or a record, whatever goes wrong with the server."""

import ast
import os
import subprocess
import sys
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from tasks.addresses import without_passwords
from tests.settings import ROOT

SECRET = "s3cret"
WORDS = st.text(alphabet="abc123-_.~:@!$", min_size=1, max_size=8)


@given(
    user=WORDS, host=st.sampled_from(["host", "127.0.0.1:5000", "[::1]:80"]), path=st.sampled_from(["", "/api", "/"])
)
def test_what_is_shown_of_an_address_is_all_but_user_and_password(user, host, path):
    for word in (SECRET, quote("s3cret/@:", safe="@:")):
        shown = without_passwords(f"cannot reach http://{user}:{word}@{host}{path} now, nor postgresql://x:{word}@db/y")
        assert shown == f"cannot reach http://{host}{path} now, nor postgresql://db/y"


def test_an_address_without_a_password_stays_as_it_is():
    for text in ("http://host:5000/a@b", "sqlite:////data/runs.db", "a@b.example", "https://x/?page=2#/runs"):
        assert without_passwords(text) == text


def test_nothing_that_a_check_says_or_writes_has_the_password(tmp_path):
    """Of neither server: both are checked by one process, since to import both libraries takes seconds."""
    addresses = {
        "MLFLOW_TRACKING_URI": f"http://me:{SECRET}@127.0.0.1:9",
        "PREFECT_API_URL": f"http://me:{SECRET}@127.0.0.1:9/api",
    }
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from tasks.doctor import examine_services\n"
        "from tasks.prefect.server import announced\n"
        "mlflow, prefect = sys.argv[1:]\n"
        "with announced(prefect):\n"
        "    print(*examine_services(), sep='\\n')\n"
        "    print(Path('.iterpref/prefect.url').read_text())\n"
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT", "MLFLOW"))}
    environment = kept | addresses | {"PYTHONPATH": str(ROOT), "PREFECT_HOME": str(tmp_path / "prefect")}
    command = [sys.executable, "-c", program, *addresses.values()]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    for server, status in {"MLflow": "absent", "Prefect": "missing"}.items():
        (told,) = [line for line in done.stdout.splitlines() if f"'{server}'" in line and "127.0.0.1:9" in line]
        assert f"'{status}'" in told, "an MLflow that is away stops nothing"
    assert SECRET not in done.stdout + done.stderr
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path


def test_no_message_shows_an_address_that_may_have_a_password():
    """Names that hold a server's address as the user gave it stand in no text by themselves."""
    addresses = {"url", "uri", "named", "server", "prefect", "tracking_uri"}
    found = []
    for path in [*(ROOT / "tasks").rglob("*.py"), *(ROOT / "flows").rglob("*.py")]:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        covered = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "without_passwords":
                covered.update(ast.walk(node))
        for node in ast.walk(tree):
            if isinstance(node, ast.FormattedValue) and node not in covered and ast.unparse(node.value) in addresses:
                found.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert found == []
