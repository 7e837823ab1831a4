"""The mock endpoint, in a process of its own."""

import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from iterpref_core.inference.backend import Request, Sampling
from iterpref_core.inference.openai.mock_endpoint import FAULTS, Behavior
from iterpref_core.inference.openai.openai_backend import OpenAIBackend


def test_it_serves_a_recording_and_tells_what_it_was_asked(tmp_path: Path) -> None:
    recording = tmp_path / "recording.jsonl"
    recording.write_text('{"prompt": "p", "answers": ["first", "second"]}\n')
    command = [sys.executable, "-m", "iterpref_core.inference.openai.mock_endpoint", "--recording", str(recording)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            backend = OpenAIBackend("m", url, api="chat", concurrency=2, timeout_s=20, attempts=1)
            requests = [Request("p", 0), Request("p", 1), Request("unknown", 0)]
            for _ in range(2):
                found = backend.generate(requests, Sampling(0.5, 8))
                assert [answer.text for answer in found] == ["first", "second", ""]
            with urllib.request.urlopen(url.removesuffix("/v1") + "/stats") as response:
                stats = json.load(response)
        finally:
            process.terminate()
    assert (stats["calls"], stats["answered"], stats["requests"], stats["repeated"]) == (6, 4, 3, 2)
    assert backend.faults == {"refused": 2}


def test_latencies_and_faults_are_drawn_as_asked_and_always_the_same() -> None:
    behavior = Behavior(median_s=2.0, sigma=1.0, faults={"cut": 0.1, "empty": 0.2})
    drawn = [behavior.draw(b"body %d" % number, 1) for number in range(4000)]
    assert drawn == [behavior.draw(b"body %d" % number, 1) for number in range(4000)]
    assert drawn[0] != behavior.draw(b"body 0", 2), "asked again, a request has another fate"
    latencies = sorted(latency for latency, _ in drawn)
    assert latencies[2000] == pytest.approx(2.0, rel=0.1)
    assert latencies[int(0.841 * 4000)] == pytest.approx(2.0 * 2.718, rel=0.15), "one sigma above the median"
    shares = {fault: sum(found == fault for _, found in drawn) / 4000 for fault in FAULTS}
    assert shares == pytest.approx(
        {"cut": 0.1, "empty": 0.2, "rate_limited": 0, "server_error": 0, "timeout": 0, "malformed": 0}, abs=0.03
    )
