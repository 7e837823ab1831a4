"""Recordings: made from what was kept, and replayed in any order."""

import asyncio
import json
from pathlib import Path

import pytest

from iterpref_core.errors import InputError, RecordError
from iterpref_core.inference.answer_store import AnswerStore, StoredEndpoint
from iterpref_core.inference.backend import Completion, Request, Sampling
from iterpref_core.inference.replay import Recorded, ReplayBackend, open_recording, write_recording

SAMPLING = Sampling(temperature=0.5, max_new_tokens=20)


class Clock:
    """Answers with prompt and seed."""

    async def answer(self, request: Request, sampling: Sampling) -> Completion:
        return Completion(f"{request.prompt}/{request.seed}/{sampling.temperature}", 1, 1, truncated=False)

    def generate(self, requests: list[Request], sampling: Sampling) -> list[Completion]:
        raise AssertionError


def keep(store: Path, model: str = "model") -> list[Request]:
    requests = [Request(prompt, seed) for prompt in ("b", "a\nwith é") for seed in (7, 2, 2_000_000_000)]
    with AnswerStore(store, "run") as answers:
        StoredEndpoint(Clock(), model, answers).generate(requests, SAMPLING)  # type: ignore[arg-type]
    return requests


def test_what_was_recorded_is_replayed_to_the_same_requests_in_any_order(tmp_path: Path) -> None:
    requests = keep(tmp_path / "store")
    assert write_recording(tmp_path / "store", tmp_path / "recording.jsonl") == {"prompts": 2, "answers": 6}
    backend = ReplayBackend(open_recording(tmp_path / "recording.jsonl"))
    for request in reversed(requests):
        expected = f"{request.prompt}/{request.seed}/0.5"
        assert backend.generate([request], SAMPLING)[0].text == expected
        assert asyncio.run(backend.answer(request, SAMPLING)).text == expected


def test_a_recording_does_not_depend_on_the_order_of_the_answers(tmp_path: Path) -> None:
    keep(tmp_path / "one")
    with AnswerStore(tmp_path / "two", "run") as answers:
        endpoint = StoredEndpoint(Clock(), "model", answers)  # type: ignore[arg-type]
        for request in reversed(keep(tmp_path / "one")):
            endpoint.generate([request], SAMPLING)
    for name in ("one", "two"):
        write_recording(tmp_path / name, tmp_path / f"{name}.jsonl")
    assert (tmp_path / "one.jsonl").read_bytes() == (tmp_path / "two.jsonl").read_bytes()


def test_a_store_of_several_models_needs_one_named(tmp_path: Path) -> None:
    keep(tmp_path / "store", "model")
    keep(tmp_path / "store", "other")
    with pytest.raises(InputError, match="model, other; name one"):
        write_recording(tmp_path / "store", tmp_path / "out")
    assert write_recording(tmp_path / "store", tmp_path / "out", "other")["answers"] == 6
    with pytest.raises(InputError, match="name one"):
        write_recording(tmp_path / "store", tmp_path / "out", "third")


def test_no_store_is_made_where_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such store"):
        write_recording(tmp_path / "absent", tmp_path / "out")
    assert not (tmp_path / "absent").exists()


def test_of_several_answers_the_seed_chooses(tmp_path: Path) -> None:
    recorded = Recorded(prompt="p", answers=("a", "b", "c"))
    assert [recorded.choose(seed) for seed in (0, 1, 2, 3, 301)] == ["a", "b", "c", "a", "b"]


def test_an_unknown_prompt_says_so() -> None:
    with pytest.raises(InputError, match="no recorded answer for the prompt 'q'"):
        ReplayBackend({"p": ["only"]}).generate([Request("q", 0)], SAMPLING)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"prompt": "x"}', "2: field 'answers' is missing"),
        ('{"prompt": "x", "answers": []}', "2: field 'answers'"),
        ('{"prompt": "x", "answers": ["a"], "seeds": [1, 2]}', "2: as many seeds"),
        ('{"prompt": "p", "answers": ["a"]}', "2: field 'prompt': stands on an earlier line"),
        ("{", "2: not valid JSON"),
    ],
)
def test_a_broken_recording_is_named_with_its_line(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "recording.jsonl"
    path.write_text(json.dumps({"prompt": "p", "answers": ["a"]}) + "\n" + line + "\n")
    with pytest.raises(RecordError, match=message):
        open_recording(path)
