"""What the doctor says of a debugger behind an endpoint."""

from iterpref_core.config import load_params, with_values
from tasks.orchestration.doctor import Diagnosis, _models
from tests.mock_endpoint import Behavior, MockEndpoint, serve
from tests.settings import ROOT


def debugger(url: str, **values: object) -> Diagnosis:
    chosen = {"inference.backend": "openai", "inference.base_url": url, "model.debugger": "coder"}
    given = {name.replace("__", "."): value for name, value in values.items()}
    _, found = _models(with_values(load_params(ROOT / "params.yaml"), chosen | given))
    return found


def test_an_endpoint_answers_or_not_and_has_prices_or_not() -> None:
    with serve(MockEndpoint(lambda *_: "", Behavior())) as url:
        up = debugger(url)
        assert (up.status, up.found) == ("ok", f"coder, endpoint {url}")
        assert "set inference.price_prompt" in up.remedy
        assert debugger(url, inference__price_prompt=0.1).remedy == ""
    down = debugger(url)
    assert (down.status, down.found) == ("missing", f"{url}: no answer")


def test_what_the_run_would_refuse_is_told() -> None:
    nowhere = "http://127.0.0.1:9/v1"
    assert "budget.dollars caps nothing" in debugger(nowhere, budget__dollars=1.0).remedy
    assert "a model of this experiment" in debugger(nowhere, model__debugger="nanolab").remedy
