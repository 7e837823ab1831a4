"""Addresses with passwords: none is in a message, a file or a record, whatever goes wrong with the server."""

import shutil
from pathlib import Path
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from tasks.addresses import without_passwords
from tasks.doctor import examine_services
from tasks.prefect.server import announced
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


def test_nothing_that_a_check_says_or_writes_has_the_password(tmp_path, monkeypatch, capfd, caplog):
    """Of neither server."""
    mlflow, prefect = f"http://me:{SECRET}@127.0.0.1:9", f"http://me:{SECRET}@127.0.0.1:9/api"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow)
    monkeypatch.setenv("PREFECT_API_URL", prefect)
    monkeypatch.chdir(tmp_path)
    shutil.copy2(ROOT / "params.yaml", tmp_path)
    Path(".iterpref").mkdir()
    with announced(prefect):
        found = {finding.name: finding for finding in examine_services()}
        assert "127.0.0.1:9" in Path(".iterpref/prefect.url").read_text()
        for path in tmp_path.rglob("*"):
            assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path
    assert (found["MLflow"].status, found["Prefect"].status) == ("absent", "missing"), "the first stops nothing"
    told = [found["MLflow"].detail, found["Prefect"].detail]
    assert all("127.0.0.1:9" in detail for detail in told), told
    assert SECRET not in "".join([*told, *capfd.readouterr(), caplog.text])
