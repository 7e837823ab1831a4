"""An S3 bucket as DVC's remote: what one checkout pushed, a clone of it has without running a stage."""

import json
from pathlib import Path

import httpx
import pytest

from tests.pipeline.conftest import Checkout


@pytest.mark.slow
def test_a_clone_has_from_the_bucket_what_was_pushed(tmp_path: Path) -> None:
    from dvc.repo import Repo
    from moto.server import ThreadedMotoServer

    keys = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_DEFAULT_REGION": "us-east-1"}
    (tmp_path / "first").mkdir()
    first, clone = Checkout(tmp_path / "first"), Checkout(tmp_path / "clone")
    first.environment |= keys
    clone.environment |= keys
    stage = {"cmd": "echo ran >> ran; echo made > made", "outs": ["made"]}
    (first.path / "dvc.yaml").write_text(json.dumps({"stages": {"only": stage}}), encoding="utf-8")
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    try:
        url = "http://{}:{}".format(*server.get_host_and_port())
        assert httpx.put(f"{url}/bucket").status_code == 200
        first.run("git", "init", "--quiet")
        (first.path / ".git/info/exclude").write_text("output.log\nran\n", encoding="utf-8")
        Repo.init(str(first.path)).close()
        remote = f"[core]\nremote = store\n['remote \"store\"']\nurl = s3://bucket/x\nendpointurl = {url}\n"
        (first.path / ".dvc/config").write_text(remote, encoding="utf-8")
        first.dvc("repro")
        first.dvc("push")
        first.run("git", "add", ".")
        first.run("git", "commit", "--quiet", "--message", "made")
        first.run("git", "clone", "--quiet", ".", str(clone.path))
        clone.dvc("pull")
        assert "Data and pipelines are up to date" in clone.dvc("repro")
    finally:
        server.stop()
    assert (clone.path / "made").read_text(encoding="utf-8") == "made\n"
