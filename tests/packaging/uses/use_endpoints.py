"""A question to the mock endpoint."""

from iterpref_core.inference.backend import Request, Sampling
from iterpref_core.inference.openai_model import OpenAIModel
from tests.mock_endpoint import Behavior, MockEndpoint, serve

with serve(MockEndpoint(lambda prompt, seed: f"{prompt} {seed}", Behavior())) as url:
    backend = OpenAIModel("some-model", url, api="chat", concurrency=1, timeout_s=20, attempts=1)
    (answer,) = backend.generate([Request("a prompt", 3)], Sampling(temperature=0.0, max_new_tokens=9))
assert answer.text == "a prompt 3", answer
