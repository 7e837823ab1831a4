"""Paths: the checkout to which a run belongs, whatever DVC says in the environment."""

from pathlib import Path

from tasks.mlflow.server import Server, tracking_uri
from tasks.paths import home
from tests.once import give_mlflow_tables


def test_a_stage_of_a_project_around_this_one_does_not_make_that_the_checkout(tmp_path, monkeypatch):
    """DVC tells each stage its project. Records, and answers that were paid for, went there."""
    places = {
        "outer/inner": False,
        "outer": False,
        "outer/.iterpref/worktrees/0123abc": True,
        "outer/.iterpref/worktrees/0123abc/team/project": True,
        "outer/.dvc/tmp/exps/tmp1": True,
        "elsewhere": False,
    }
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "outer"))
    for place, is_of_outer in places.items():
        (tmp_path / place).mkdir(parents=True, exist_ok=True)
        monkeypatch.chdir(tmp_path / place)
        assert home().resolve() == (tmp_path / "outer" if is_of_outer else tmp_path / place), place


def test_records_stand_in_the_checkout_however_its_path_is_spelled(tmp_path, tmp_path_factory, monkeypatch):
    name = "feature%2Fx 100%20 & b#1 Größe"
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / name).mkdir()
    give_mlflow_tables(tmp_path_factory, tmp_path / name)
    monkeypatch.chdir(tmp_path / name)
    server = Server()
    run_id = server.open_run("key", "run", 0, {}).info.run_id
    Path("reports").mkdir()
    Path("reports/index.html").touch()
    server.upload(run_id, Path("reports"))
    assert {path.name for path in Path().iterdir()} == {"mlflow.db", "mlartifacts", "reports"}
    assert len(list(Path("mlartifacts").rglob("index.html"))) == 1
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    assert Server(create=False).experiment_id, tracking_uri()
    assert [path.name for path in tmp_path.iterdir()] == [name]
