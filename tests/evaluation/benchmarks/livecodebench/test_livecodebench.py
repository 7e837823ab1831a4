"""LiveCodeBench on files in its exact format, written here, with verdicts that are known."""

import base64
import json
import pickle
import zlib

import pytest

from iterpref_core.evaluation.benchmarks.benchmark import PromptMode
from iterpref_core.evaluation.benchmarks.harness import Harness
from iterpref_core.evaluation.benchmarks.livecodebench.data import find_live_data
from iterpref_core.evaluation.benchmarks.livecodebench.prompts import family_of, make_prompt
from iterpref_core.evaluation.benchmarks.livecodebench.suite import LATER_COMMIT, PAPER_COMMIT, LiveCodeBench
from iterpref_core.evaluation.benchmarks.suites import open_benchmark
from iterpref_core.models.pretrained.chat_template import ChatTemplate
from iterpref_core.records import DataUnavailableError, LiveCodeBenchParams, RecordError, Sample
from tests.evaluation.evaluation import scoring
from tests.settings import changed
from tests.texts import read_table

WHOLE = LiveCodeBenchParams(release="release_v5", since=None, until=None)


def question(name, tests, *, function=None, difficulty="easy", date="2023-05-20T00:00:00"):
    """A line of the published files; the first test is public, the others are private and packed."""
    kind = "functional" if function else "stdin"
    published = [{"input": given, "output": wanted, "testtype": kind} for given, wanted in tests]
    packed = zlib.compress(pickle.dumps(json.dumps(published[1:])))
    starter = f"class Solution:\n    def {function}(self, values: List[int]) -> int:\n        " if function else ""
    return {
        "question_content": f"Solve {name}.",
        "platform": "atcoder",
        "question_id": name,
        "contest_date": date,
        "starter_code": starter,
        "difficulty": difficulty,
        "public_test_cases": json.dumps(published[:1]),
        "private_test_cases": base64.b64encode(packed).decode(),
        "metadata": json.dumps({"func_name": function} if function else {}),
    }


SUM = question("sum", [("1 2\n", "3\n"), ("5 6\n", "11\n")])
HALF = question("half", [("1\n", "0.50\n"), ("3\n", "1.50\n")], difficulty="medium", date="2024-06-01T00:00:00")
LARGEST = question(
    "largest",
    [("[1, 5, 2]", "5"), ("[-1]\n", "-1")],
    function="largest",
    difficulty="hard",
    date="2025-01-31T00:00:00",
)
PAIR = question("pair", [("1\n2", "[1, 2]"), ("3\n4", "[3, 4]")], function="pair")


@pytest.fixture
def data(tmp_path, monkeypatch):
    path = tmp_path / "problems.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in (SUM, HALF, LARGEST, PAIR)))
    monkeypatch.setenv("LIVECODEBENCH_PATH", str(path))
    return path


def score(setting, programs):
    bench = open_benchmark("livecodebench", setting)
    samples = [
        Sample(task_id=task_id, solution=code)
        for task_id in bench.tasks
        for code in programs[task_id.removeprefix("LiveCodeBench/")]
    ]
    return scoring.score(bench, samples, setting.cache)


RIGHT = {
    "sum": "a, b = map(int, input().split())\nprint(a + b)",
    "half": "print(int(input()) / 2)",
    "largest": "class Solution:\n    def largest(self, values: List[int]) -> int:\n        return max(values)",
    "pair": "class Solution:\n    def pair(self, a, b):\n        return a, b",
}


def test_right_programs_alone_pass_on_both_kinds_of_tests(data, setting):
    entry = score(setting, {name: [code, "print(0)"] for name, code in RIGHT.items()})
    assert (entry["n"], entry["pass_at_1"]) == (4, 0.5)
    assert entry["limits"]["cpu_s"] == 6.0
    assert entry["window"] == {"release": "release_v5", "since": None, "until": None}
    by_difficulty = {name: (group["n"], group["pass_at_1"]) for name, group in entry["by_difficulty"].items()}
    assert by_difficulty == {"easy": (2, 0.5), "hard": (1, 0.5), "medium": (1, 0.5)}
    assert entry["by_difficulty"]["medium"]["tasks"] == ["LiveCodeBench/half"]


CASES = read_table(r"""
sum | print('3 ')\nprint() | wrong_answer
sum | a, b = map(int, input().split())\nprint(a, b) | wrong_answer
sum |  | syntax_error
half | print(round(int(input()) / 2)) | wrong_answer
largest | class Solution:\n    def largest(self, values):\n        return values[0] | wrong_answer
largest | class Solution:\n    def biggest(self, values):\n        return max(values) | exception
largest | class Solution:\n    def largest(self, values):\n        return str(max(values)) | wrong_answer
largest | class Solution:\n    def largest(self, values):\n        while True: pass | timeout
pair | class Solution:\n    def pair(self, a, b):\n        return (x for x in (a, b)) | bad_return_type
sum | if __name__ == '__main__':\n    print(sum(map(int, stdin.read().split()))) | passed
sum | import sys\na, b = map(int, input().split())\nprint(f' {a + b}.0 ')\nsys.exit(3) | passed
largest | def largest(values: List[int]) -> float:\n    return float(max(values)) | passed
pair | @lru_cache(None)\ndef pair(*both):\n    return list(both) | passed
""")


@pytest.mark.usefixtures("data")
@pytest.mark.parametrize(
    ("release", "commit", "verdict"),
    [("release_v5", PAPER_COMMIT, "exception"), ("release_v6", LATER_COMMIT, "passed")],
)
def test_the_runner_of_the_release_judges_and_is_named(execution, release, commit, verdict):
    bench = LiveCodeBench("livecodebench", changed(WHOLE, release=release), execution)
    code = "import sys\nprint(sum(map(int, sys.stdin.buffer.read().split())))"
    with bench.open_executor() as executor:
        [found] = Harness(bench, executor).run([Sample(task_id="LiveCodeBench/sum", solution=code)])
    assert (bench.harness.partition("@")[2], found.verdict) == (commit, verdict)


@pytest.mark.usefixtures("data")
def test_programs_fail_for_the_right_reason_and_pass_where_the_benchmark_lets_them(execution):
    bench = LiveCodeBench("livecodebench", WHOLE, execution)
    bench.execution = changed(bench.execution, cpu_s=0.4)
    samples = [Sample(task_id=f"LiveCodeBench/{name}", solution=code) for name, code, _ in CASES]
    with bench.open_executor() as executor:
        found = Harness(bench, executor).run(samples)
    assert [(*case[:2], found[index].verdict) for index, case in enumerate(CASES)] == CASES


def test_the_window_is_between_two_midnights_and_decides_the_hash(data):
    late = {**LARGEST, "question_id": "late", "contest_date": "2025-01-31T12:00:00"}
    data.write_text(data.read_text() + json.dumps(late) + "\n")

    def ids(since, until):
        (_, sha256), tasks = find_live_data(LiveCodeBenchParams(release="release_v5", since=since, until=until))
        return [task_id.partition("/")[2] for task_id in tasks], sha256

    assert ids(None, None)[0] == ["sum", "half", "largest", "pair", "late"]
    assert ids("2024-06-01", "2025-01-31")[0] == ["half", "largest"]
    assert ids(None, "2023-05-20")[0] == ["sum", "pair"]
    assert ids("2024-06-01", "2025-02-01")[1] == ids("2024-06-01", None)[1] != ids(None, None)[1]
    with pytest.raises(DataUnavailableError, match="no problem between 2026-01-01"):
        ids("2026-01-01", None)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("difficulty", "brutal", "field 'difficulty'"),
        ("contest_date", "soon", "field 'contest_date'"),
        ("private_test_cases", "AAAA", r"its tests cannot be read \(neither JSON nor base64"),
        ("metadata", "{", r"its tests cannot be read \(Expecting property"),
        ("metadata", '{"func_name": "f"}', r"its tests cannot be read \(not all tests are of the"),
    ],
)
def test_a_broken_line_is_named(data, setting, field, value, message):
    data.write_text(f"{json.dumps(HALF)}\n{json.dumps({**SUM, field: value})}\n")

    with pytest.raises(RecordError, match=rf"problems.jsonl:2: {message}"):
        score(setting, {"half": ["print(3)"], "sum": ["print(3)"]})


INSTRUCTED = (
    "You will be given a question (problem specification) and will generate a correct Python program that matches the "
    "specification and passes all tests. You will NOT return anything except for the program."
)
READS = (
    "Read the inputs from stdin solve the problem and write the answer to stdout (do not directly test on the sample "
    "inputs). Enclose your code within delimiters as follows. Ensure that when the python program runs, it reads the "
    "inputs, runs the algorithm and writes output to STDOUT."
)
CALLS = (
    "You will use the following starter code to write the solution to the problem and enclose your code within "
    "delimiters."
)
TEMPLATES = {
    "CodeQwenInstruct": "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>{% endfor %}",
    "DeepSeekCodeInstruct": "{% for m in messages %}### Instruction:\n{{ m['content'] }}\n{% endfor %}### Response:\n",
    "LLaMa3": "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}<|eot|>{% endfor %}<|assistant|>",
}
# What `format_prompt_generation` of lcb_runner/prompts/code_generation.py makes; the runner is in no package.
GENERIC = (
    "You are an expert Python programmer. You will be given a question (problem specification) and will generate a "
    "correct Python program that matches the specification and passes all tests."
)
OFFICIAL = {
    "CodeQwenInstruct": "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n\n"
    f"{INSTRUCTED}\n\nQuestion: {{0}}\n\n{{1}}\n```python\n{{2}}\n```\n\n<|im_end|>\n<|im_start|>assistant\n",
    "DeepSeekCodeInstruct": "You are an AI programming assistant, utilizing the DeepSeek Coder model, developed by "
    "DeepSeek Company, and you answer questions related to computer science.\n\n"
    f"### Instruction: {INSTRUCTED}\n\nQuestion:\n{{0}}\n\n### Instruction: {{1}}\n```python\n{{2}}\n```\n\n"
    "### Response:\n\n",
    "LLaMa3": f"<|system|>{GENERIC}<|eot|><|user|>### Question:\n{{0}}\n\n### Format: {{1}}\n```python\n{{2}}\n```\n\n"
    "### Answer: (use the provided format with backticks)\n\n<|eot|><|assistant|>",
}


@pytest.fixture(scope="module")
def tokenizer():
    from iterpref_core.nanolab.embedded_models import train_tokenizer

    return train_tokenizer(["one two"], 300)


@pytest.mark.usefixtures("data")
@pytest.mark.parametrize("family", TEMPLATES)
def test_a_chat_model_here_reads_what_the_runner_writes_for_its_family(family, tokenizer):
    tokenizer.chat_template = TEMPLATES[family]
    mode = PromptMode(True, ChatTemplate(tokenizer))
    assert family_of(mode) == family
    reads, calls = (list(find_live_data(WHOLE)[1].values())[index] for index in (0, 2))
    for task, values in ((reads, (READS, "# YOUR CODE HERE")), (calls, (CALLS, LARGEST["starter_code"]))):
        asked = make_prompt(task, mode)
        read = asked.text if asked.raw else ChatTemplate(tokenizer).render_prompt(asked.text, asked.system)
        assert read == OFFICIAL[family].format(task.content, *values)


@pytest.mark.usefixtures("data")
def test_a_base_model_is_not_asked_and_one_that_reasons_ends_its_answer_itself(tokenizer, execution):
    bench = LiveCodeBench("livecodebench", WHOLE, execution)
    task = next(iter(bench.tasks.values()))
    with pytest.raises(DataUnavailableError, match="livecodebench: "):
        bench.prompt(task, PromptMode(instruct=False))
    answer = "<think>\n### Plan\n```python\ndraft\n```\n</think>\n```python\nprint(1)\n```\n"
    tokenizer.chat_template = TEMPLATES["LLaMa3"] + "{% if add_generation_prompt %}BEGIN<think>\n{% endif %}"
    mode = PromptMode(True, ChatTemplate(tokenizer))
    assert bench.stops(mode) == ()
    assert bench.program(task, answer, mode) == "print(1)"
    assert bench.program(task, "print(1)", mode) == "", "an answer without fences holds no program"
    asked = bench.prompt(task, mode)
    assert asked.text.endswith("BEGIN<think>\n")
    assert (asked.raw, asked.opened, bench.mode_name(mode)) == (True, "<think>", "OpenAIChat")
