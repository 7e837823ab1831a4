"""DVC's remotes and experiments: a second clone gets everything without computing it, and comparing works."""

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tests.once import copy_workspace
from tests.pipeline.conftest import Workspace

pytestmark = [pytest.mark.timeout(2400), pytest.mark.xdist_group("experiment")]

KEYS = {
    "AWS_ACCESS_KEY_ID": "planted-key",
    "AWS_SECRET_ACCESS_KEY": "planted-secret",
    "AWS_DEFAULT_REGION": "us-east-1",
}


@pytest.fixture(scope="module")
def origin(completed: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A copy of the finished experiment, with `dvc.lock` committed."""
    path = tmp_path_factory.mktemp("clones") / "origin"
    copy_workspace(completed, path)
    workspace = Workspace(path)
    for name, value in (("user.name", "Tester"), ("user.email", "tester@example.org")):
        workspace.must("git", "config", name, value)
    workspace.must("git", "add", "--all")
    workspace.must("git", "commit", "--quiet", "--message", "the experiment")
    return workspace


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The address of an S3 server on loopback with an empty bucket."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    keys = {"aws_access_key_id": "k", "aws_secret_access_key": "s", "region_name": "us-east-1"}
    boto3.client("s3", endpoint_url=f"http://{host}:{port}", **keys).create_bucket(Bucket="iterpref")
    yield f"http://{host}:{port}"
    server.stop()


def clone_of(origin: Workspace, name: str) -> Workspace:
    path = origin.path.parent / name
    origin.must("git", "clone", "--quiet", ".", str(path))
    return Workspace(path)


def ran(output: str) -> set[str]:
    return set(re.findall(r"Running stage '([^']+)'", output))


def same(one: Workspace, other: Workspace, *paths: str) -> bool:
    return all((one.path / path).read_bytes() == (other.path / path).read_bytes() for path in paths)


def test_a_clone_beside_it_pulls_everything_and_comes_to_the_same_metrics(origin: Workspace) -> None:
    origin.must("dvc", "push")
    second = clone_of(origin, "second")
    second.must("dvc", "pull")
    assert not ran(second.must("dvc", "repro"))
    done = second.must("dvc", "repro", "--force", "--single-item", "evaluation@base", "report")
    assert ran(done) == {"evaluation@base", "report"}
    assert same(origin, second, "dvc.lock", "metrics/evaluation/base.json", "reports/summary.json")


def test_s3_holds_everything_and_no_key_is_written(origin: Workspace, s3: str) -> None:
    third = clone_of(origin, "third")
    for workspace in (origin, third):
        workspace.environment |= KEYS
        workspace.must("dvc", "remote", "add", "--local", "--default", "store", "s3://iterpref/experiments")
        workspace.must("dvc", "remote", "modify", "--local", "store", "endpointurl", s3)
    origin.must("dvc", "push")
    third.must("dvc", "pull")
    assert not ran(third.must("dvc", "repro"))
    assert same(origin, third, "reports/summary.json")
    written = [path for path in third.path.rglob("*") if path.is_file() and b"planted-" in path.read_bytes()]
    assert [path.name for path in written if "tests" not in path.parts] == []
    assert not origin.must("git", "status", "--porcelain"), "the address of the server is this machine's alone"


def test_an_experiment_is_run_and_compared(origin: Workspace) -> None:
    run = ("dvc", "exp", "run", "--name", "beta", "--set-param", "training.beta=0.2", "training@target-dpo")
    assert ran(origin.must(*run)) == {"training@target-dpo"}
    shown = list(csv.DictReader(io.StringIO(origin.must("dvc", "exp", "show", "--only-changed", "--csv"))))
    beta = {row["Experiment"] or row["rev"]: row["training.beta"] for row in shown}
    assert (beta.pop("beta"), beta.pop("workspace"), set(beta.values())) == ("0.2", "0.2", {"0.1"})
    changed = json.loads(origin.must("dvc", "metrics", "diff", "--json"))
    assert set(changed) == {"metrics/training/target-dpo.json"}
    origin.must("dvc", "plots", "diff", "HEAD", "--out", ".iterpref/plots")
    assert (origin.path / ".iterpref" / "plots" / "index.html").stat().st_size > 10_000
    origin.must("git", "checkout", "--quiet", ".")
    origin.must("dvc", "checkout")
    assert origin.stale() == set()
