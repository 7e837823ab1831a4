"""Stand-ins for a code model and a debugger, so that docs/tutorial.md needs no download, no key and no accelerator.

python examples/stand_in_models.py model PROBLEMS FOLDER: trains a model of 0.4 million parameters that knows the
references of PROBLEMS by heart, except that it rounds amounts of money to whole numbers.
python examples/stand_in_models.py debugger PROBLEMS: answers with the references on http://127.0.0.1:8765/v1, until it
is interrupted.
"""

import json
import sys
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from iterpref_core.models.prompts.codeflow_prompts import draft_prompt
from iterpref_core.nanolab.embedded_models import train_tokenizer
from iterpref_core.nanolab.pretrain import Example, pretrain
from iterpref_core.records import Problem, load_params
from iterpref_core.storage.jsonl import read_jsonl

SHAPE = {"hidden_size": 128, "intermediate_size": 256, "batch_size": 16}
STEPS = 250
PORT = 8765


def answer(program: str) -> str:
    """A program as a chat model gives it."""
    return f"```python\n{program}```"


def write_model(problems: list[Problem], folder: Path) -> None:
    """Train the model, and save it as an ordinary checkpoint."""
    examples = [
        Example(prompt, answer((problem.reference or "").replace(", 2)\n", ")\n")))
        for problem in problems
        for prompt in (problem.prompt, draft_prompt(problem.prompt, "instruct"))
    ]
    tokenizer = train_tokenizer([text for each in examples for text in (each.prompt, each.completion)], 600)
    model, _ = pretrain(examples, tokenizer, load_params().nanolab.model_copy(update=SHAPE), STEPS, "stand-in")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    print(f"{folder}: a model of {model.num_parameters():,} parameters")


def debugger(problems: list[Problem], port: int = PORT) -> ThreadingHTTPServer:
    """An endpoint of the OpenAI API that answers each task of the problems with its reference, and no other."""

    class Endpoint(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._send(200, {"object": "list", "data": [{"id": "stand-in", "object": "model"}]})

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            prompt = asked["messages"][-1]["content"]
            for problem in problems:
                if problem.prompt in prompt:
                    text = f"It rounds to whole numbers.\n\n{answer(problem.reference or '')}"
                    message = {"role": "assistant", "content": text}
                    self._send(200, {"choices": [{"message": message, "finish_reason": "stop"}]})
                    return
            self._send(400, {"error": {"message": "the stand-in knows its own problems alone"}})

        def _send(self, status: int, content: dict[str, object]) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing is logged."""

    return ThreadingHTTPServer(("127.0.0.1", port), Endpoint)


if __name__ == "__main__":
    role, source, *rest = sys.argv[1:]
    known = list(read_jsonl(Path(source), Problem))
    if role == "model":
        write_model(known, Path(*rest))
    else:
        with suppress(KeyboardInterrupt):
            debugger(known).serve_forever()
