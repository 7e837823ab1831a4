"""What a person does: Prefect's form, the page of a run and its buttons, MLflow's comparison, in a browser."""

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from mlflow.tracking import MlflowClient

from iterpref_core.config import load_params
from tasks.common.stage_body import run_body
from tasks.recording.dvc_graph import Stage
from tasks.recording.tracking import StageRun, Tracker
from tests.settings import ROOT

if TYPE_CHECKING:
    from tests.browser import Page
    from tests.orchestration.conftest import Server, Small, Wait

pytestmark = [pytest.mark.timeout(900), pytest.mark.xdist_group("interfaces")]

PATIENCE_S = 300
FIELDS = ("profile", "objectives", "benchmarks", "seeds", "stages", "force", "jobs")
DOWN = ("ArrowDown", 40)


def field(name: str, part: str) -> str:
    """A part of a field of the form, as JavaScript: the pages give their fields no accessible names."""
    labels = "[...document.querySelectorAll('.schema-form-property__label')]"
    return f"{labels}.find(e => e.textContent.startsWith('{name}')).closest('.p-label').querySelector('{part}')"


def with_text(selector: str, text: str) -> str:
    return f"[...document.querySelectorAll('{selector}')].find(e => e.innerText.trim() === '{text}')"


def deployment_of(flow: str) -> str:
    """The link to a flow's deployment: those of all flows have one name."""
    link = "[...{}.querySelectorAll('a')].find(a => a.innerText.trim() === '{}')"
    near = link.format("e", "local")
    return (
        f"(() => {{ let e = {link.format('document', flow)}; while (e && !{near}) e = e.parentElement; "
        f"return e && {near} }})()"
    )


def open_form(browser: "Page", server: "Server") -> None:
    """From the address that `iterpref ui` prints to the form."""
    browser.visit(server.addresses["prefect"].removesuffix("/api"))
    browser.click("button", "Deployments")
    browser.click_on(deployment_of("experiment"))
    browser.click("button", "Run")
    browser.click("link", "Custom run")
    browser.wait_for(*(f"{name} (Optional)" for name in FIELDS))


def open_list(browser: "Page", name: str) -> None:
    """Show what a field offers. A press of the mouse alone opens the list and closes it; the arrow key opens it."""
    browser.click_on(field(name, ".p-select-button__control"))
    browser.press(*DOWN)


def runs(server: "Server") -> Any:
    """The runs of the deployment."""
    deployment = server.ask("/deployments/name/experiment/local")["id"]
    return server.ask("/flow_runs/filter", {"deployments": {"id": {"any_": [deployment]}}})


def close_list(browser: "Page") -> None:
    browser.click_on(with_text(".p-label__label", "Run Name"))
    browser.wait(lambda: not browser.evaluate("document.querySelector('.p-select-option')?.innerText"), "closed list")


def submitted(browser: "Page", server: "Server", known: set[str]) -> list[dict[str, Any]]:
    """The runs that pressing Submit has made; none where the server refuses: then one presses again.

    It refuses with 503 once it has waited a whole minute for SQLite, as long as a page is waited for elsewhere.
    """
    refused = len(browser.failures)
    browser.click("button", "Submit")
    found: list[dict[str, Any]] = []
    browser.wait(
        lambda: (
            found.extend(one for one in runs(server) if one["id"] not in known)
            or found
            or any(" 503 " in failure for failure in browser.failures[refused:])
        ),
        "new run",
        PATIENCE_S,
    )
    return found


def asked_elsewhere(browser: "Page") -> set[str]:
    """Hosts other than this one that the pages have asked for something."""
    return {str(urlsplit(url).hostname) for url in browser.requests if url.startswith("http")} - {"127.0.0.1"}


def test_a_run_is_asked_for_watched_and_cancelled(
    small: "Small", server: "Server", browser: "Page", wait_until: "Wait"
) -> None:
    (small.path / "wait").write_text("training@dpo", encoding="utf-8")
    known = {run["id"] for run in runs(server)}
    open_form(browser, server)
    for name, offered in {"profile": "tiny", "objectives": "sft-rejected", "benchmarks": "livecodebench"}.items():
        open_list(browser, name)
        browser.wait_for(offered)
        close_list(browser)
    open_list(browser, "stages")
    browser.click_on(with_text(".p-select-option", "training@dpo"))
    close_list(browser)
    browser.click_on(field("force", "[role=switch]"))
    browser.wait(lambda: browser.evaluate(field("force", "[role=switch]") + ".ariaChecked") == "true", "force")
    (run,) = browser.wait(lambda: submitted(browser, server, known), "new run", PATIENCE_S)
    assert (run["parameters"]["stages"], run["parameters"]["force"]) == (["training@dpo"], True)
    browser.click("link", run["name"])
    browser.wait_for("Running", "Logs", patience_s=PATIENCE_S)
    # The page asks for its list of task runs again after half a minute: open it when all of them are there.
    wait_until(lambda: any("sleep 600" in line for line in small.stage_processes()))
    browser.click_on(with_text(".p-tab", "Task Runs"))
    browser.wait_for("problems", "Cached", "training@dpo", patience_s=PATIENCE_S)
    browser.click_on(with_text(".p-tab", "Logs"))
    browser.wait_for("training@dpo", "iterpref.run", patience_s=PATIENCE_S)
    browser.click_on(with_text(".p-tab", "Artifacts"))
    browser.wait_for("mlflow", "Its record", patience_s=PATIENCE_S)

    browser.click("button", "Cancel")
    browser.click("button", "Confirm")
    wait_until(lambda: not small.stage_processes())
    browser.wait_for("Cancelled", patience_s=PATIENCE_S)
    assert asked_elsewhere(browser) == set()
    (small.path / "wait").unlink()
    done = small.iterpref("run", "training")
    assert done.returncode == 0, done.stdout


def test_a_wrong_value_is_shown_at_its_field_and_starts_nothing(server: "Server", browser: "Page") -> None:
    before = server.ask("/flow_runs/count", {})
    open_form(browser, server)
    browser.click("button", "Add item")
    browser.click_on(field("seeds", "input"))
    browser.type("-1")
    browser.click("button", "Submit")
    browser.wait_for("-1 is less than the minimum of 0")
    assert server.ask("/flow_runs/count", {}) == before


def open_training(browser: "Page", server: "Server") -> None:
    """MLflow's pages for models that are trained; they start with those for models that are asked."""
    browser.visit(server.addresses["mlflow"])
    browser.click("button", "Model training")


def test_two_experiments_are_compared(small: "Small", server: "Server", browser: "Page") -> None:
    done = small.iterpref("run", "training", "--seed", "35", "--seed", "46")
    assert done.returncode == 0, done.stdout
    client = MlflowClient(server.addresses["mlflow"])
    experiment = client.get_experiment_by_name("iterpref").experiment_id
    open_training(browser, server)
    browser.click("link", "Experiments.*")
    browser.click("link", "iterpref")
    for seed in (35, 46):
        found = client.search_runs(
            [experiment], f"params.`training.seed` = '{seed}' and tags.`iterpref.params_md5` != ''"
        )
        name = found[0].info.run_name
        rows = "[...document.querySelectorAll('.ag-row')]"
        box = "input[type=checkbox]"
        row = f"{rows}.find(e => e.innerText.includes('{name}') && e.querySelector('{box}'))"
        browser.click_on(f"{row}?.querySelector('{box}')")
    browser.click("button", "Compare")
    browser.wait_for("Comparing 2 Runs", "training.beta", "training/dpo/score")
    browser.click("switch", "Parameters - Show diff only")
    browser.wait(lambda: not browser.shows("training.beta"), "parameters that are equal hidden")
    assert browser.shows("training.seed\t46\t35") or browser.shows("training.seed\t35\t46")
    assert browser.shows("0.35", "0.46"), "what it did: the metric of both"
    assert asked_elsewhere(browser) == set()


def test_a_model_shows_its_alias_and_its_hash(
    small: "Small", server: "Server", browser: "Page", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(small.path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.addresses["mlflow"])
    digest = "0123456789abcdef0123456789abcdef.dir"
    model = {"path": "models/trained/dpo", "digest": digest}
    tracker = Tracker()
    run = tracker.start_run("training@dpo", {}, note="A training.")
    tracker.add("model", run, name="dpo", **model)
    described = model | {"tags": {"heldout/pass_at_1": "0.61"}, "aliases": ["best"]}
    tracker.add("described", run, models=[described], judge="heldout")
    tracker.end_run(run, "FINISHED")
    tracker.close()
    open_training(browser, server)
    browser.click("link", "Model registry")
    browser.wait_for("@ best", "iterpref.best_on: heldout")
    browser.click("button", "Try it now")  # what is new here, told once
    newest = MlflowClient().get_model_version_by_alias("iterpref", "best").version
    browser.click("link", f"Version {newest}")
    browser.wait_for("dvc.md5", digest, "heldout/pass_at_1", "0.61")
    assert asked_elsewhere(browser) == set()


def test_an_evaluated_model_is_found_by_its_scores_and_shows_its_outputs(
    server: "Server", browser: "Page", monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.addresses["mlflow"])
    samples = Path("results/dpo/samples/heldout.jsonl")
    samples.parent.mkdir(parents=True)
    samples.write_text('{"task_id": "<b>heldout/0</b>", "solution": "a\\u202eb"}\n', encoding="utf-8")
    params = load_params(ROOT / "params.yaml")
    tracker = Tracker()
    experiment = tracker.start_experiment(params, "one-of-two")
    run_body("evaluation@dpo", lambda: {"heldout/pass_at_1": 0.875, "heldout/n": 8.0})
    run = StageRun(tracker, Stage("evaluation@dpo", (), (), ("results/dpo",), ()), experiment, params)
    run.finish("FINISHED")
    tracker.end_experiment(experiment, "FINISHED", {})
    table = tracker.table(server.addresses["mlflow"])
    assert table is not None
    browser.visit(table, 1900)
    browser.wait_for("models by pass@1", "objective", "learning_rate", "heldout/pass_at_1", "0.875")
    page = tracker.page(run.run_id, None)
    assert page is not None
    for where, texts in {
        "": ("Stage evaluation@dpo.", "No Prefect run", "one-of-two"),
        "/artifacts/previews/samples/heldout.json": ("View as table", "1 of 1", "<b>heldout/0</b>", "a\\u202eb"),
        "/artifacts/outputs.md": ("Outputs of evaluation@dpo", "dvc get"),
    }.items():
        browser.visit("about:blank")  # what differs behind the # alone would load nothing
        browser.visit(page + where)
        browser.wait_for(*texts)
    assert asked_elsewhere(browser) == set()
