"""A process that asks an endpoint is killed, again and again: what it received is not asked for again."""

import asyncio
import os
import signal
import time
from multiprocessing import get_context

from iterpref_core.models.inference.answer_store import AnswerStore
from iterpref_core.models.inference.backend import Request, Sampling, ask_all
from iterpref_core.models.inference.backend_factory import open_model
from iterpref_core.records import InferenceParams, PromptFormat
from tests.mock_endpoint import Behavior, MockEndpoint, inference_at, serve
from tests.settings import FREE, changed, section

CONCURRENCY, KILLS, COUNT = 4, 2, 80
REQUESTS = [Request(f"prompt {number}", number) for number in range(COUNT)]


def ask_everything(url, store):
    inference, caps = changed(inference_at(url), concurrency=CONCURRENCY), changed(FREE, calls=COUNT)
    with (
        AnswerStore(store, "run") as answers,
        open_model("m", PromptFormat(), inference, caps, answers) as backend,
    ):
        return ask_all(backend, REQUESTS, Sampling(0.5, 8)), answers.spent()


class Holding(MockEndpoint):
    """Answers so many calls, and holds the others until their client is gone, or more may be answered."""

    most = 0

    async def _respond(self, request, body, digest):
        while self.answered.total() >= self.most:
            await asyncio.sleep(0.01)
        return await super()._respond(request, body, digest)


def test_a_kill_costs_at_most_the_calls_in_flight(tmp_path):
    mock = Holding(lambda prompt, seed: f"{prompt} {seed}", Behavior(median_s=0.01, sigma=0.5))
    store = tmp_path / "answers.sqlite"
    with serve(mock) as url:
        for kill in range(1, KILLS + 1):
            mock.most = kill * COUNT // (KILLS + 2)
            process = get_context("fork").Process(target=ask_everything, args=(url, store))
            process.start()
            while mock.answered.total() < mock.most:
                time.sleep(0.01)
            process.kill()
            process.join()
            assert process.exitcode == -signal.SIGKILL, "killed in the middle"
        mock.most = 2 * COUNT
        answers, spent = ask_everything(url, store)
    assert [answer.text for answer in answers] == [f"prompt {n} {n}" for n in range(COUNT)]
    assert mock.repeated <= KILLS * CONCURRENCY
    assert spent.calls == COUNT <= mock.asked.total() <= COUNT + KILLS * CONCURRENCY


def _generate(model, store, requests):
    """Ask a model in this process, and end it by SIGKILL at the third answer."""
    inference = section(InferenceParams, backend="transformers", bf16=False)
    ended = 0

    def answered(place, answer):
        nonlocal ended
        ended += 1
        if ended == 3:
            os.kill(os.getpid(), signal.SIGKILL)

    with (
        AnswerStore(store, "run") as answers,
        open_model(model, PromptFormat(), inference, FREE, answers) as opened,
    ):
        ask_all(opened, requests, Sampling(1.0, 64), answered)


def test_answers_of_a_batch_are_kept_as_each_ends(word_model, tmp_path):
    store = tmp_path / "answers.sqlite"
    requests = [Request("return x", seed) for seed in range(16)]
    process = get_context("fork").Process(target=_generate, args=(word_model, store, requests))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    with AnswerStore(store, "run") as answers:
        assert answers.spent().calls == 3
