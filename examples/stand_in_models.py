"""Stand-ins for a code model and a debugger, so that docs/tutorial.md needs no download, no key and no accelerator.

python examples/stand_in_models.py debugger MODULE: describes the functions of a file, and answers with them, on
http://127.0.0.1:8765/v1, until it is interrupted.
python examples/stand_in_models.py model PROBLEMS FOLDER: trains a model of 0.4 million parameters that knows the
references of PROBLEMS by heart, except that it rounds amounts of money to whole numbers.
"""

import ast
import json
import re
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
ASKED = re.compile(r"function `(\w+)` of the Python module")
DESCRIPTIONS = {
    "gross": "Return the price with a tax on it.",
    "average": "Return the mean of the prices.",
    "deposit": "Return the part of a price that is paid in advance.",
    "tip": "Return the tip on a bill.",
}
"""What the functions of examples/pricing do that have no docstring."""


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


def description(function: ast.FunctionDef) -> str:
    """A function's description in the form that `iterpref ingest --describe` asks for."""
    arguments = {each.arg: f"the {each.arg}" for each in function.args.args}
    parts = {"does": DESCRIPTIONS[function.name], "arguments": arguments, "returns": "an amount of money"}
    return json.dumps({**parts, "raises": {}, "special_cases": []})


def debugger(source: str, port: int = PORT) -> ThreadingHTTPServer:
    """An endpoint of the OpenAI API that knows the functions of a module, and no others."""
    functions = {node.name: node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}

    class Endpoint(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._send(200, {"object": "list", "data": [{"id": "stand-in", "object": "model"}]})

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            prompt = asked["messages"][-1]["content"]
            name = ASKED.search(prompt)
            function = functions.get(name[1]) if name else None
            if function is None:
                self._send(400, {"error": {"message": "the stand-in knows its own functions alone"}})
                return
            program = f"{ast.get_source_segment(source, function)}\n"
            text = f"It rounds to whole numbers.\n\n{answer(program)}"
            if "has no docstring" in prompt:
                text = description(function)
            message = {"role": "assistant", "content": text}
            self._send(200, {"choices": [{"message": message, "finish_reason": "stop"}]})

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
    if role == "model":
        write_model(list(read_jsonl(Path(source), Problem)), Path(*rest))
    else:
        with suppress(KeyboardInterrupt):
            debugger(Path(source).read_text(encoding="utf-8")).serve_forever()
