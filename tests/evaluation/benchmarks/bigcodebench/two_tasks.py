"""Two tasks in the exact format of BigCodeBench's data, written for the tests."""

DOUBLE = {
    "task_id": "BigCodeBench/0",
    "complete_prompt": 'import math\n\ndef task_func(x):\n    """\n    Doubles a number.\n    """\n',
    "instruct_prompt": "Doubles a number.\nYou should write self-contained code starting with:\n"
    "```\nimport math\ndef task_func(x):\n```",
    "canonical_solution": "    return math.fsum([x, x])",
    "code_prompt": "import math\ndef task_func(x):\n",
    "test": "import unittest\nclass TestCases(unittest.TestCase):\n"
    "    def test_two(self):\n        self.assertEqual(task_func(2), 4)\n"
    "    def test_float(self):\n        self.assertAlmostEqual(task_func(0.1), 0.2)\n"
    "class Unused(unittest.TestCase):\n    def test_never_run(self):\n        self.fail()\n",
    "entry_point": "task_func",
    "doc_struct": "{}",
    "libs": "['math']",
}
WHERE = {
    "task_id": "BigCodeBench/1",
    "complete_prompt": 'import absent_library\nimport os\n\ndef task_func(name):\n    """\n    Where it is.\n    """\n',
    "instruct_prompt": "Where it is.",
    "canonical_solution": "    return os.path.join(absent_library.root(), name)",
    "code_prompt": "import absent_library\nimport os\ndef task_func(name):\n",
    "test": "import unittest\nclass TestCases(unittest.TestCase):\n"
    "    def test_a(self):\n        self.assertEqual(task_func('a'), '/a')\n",
    "entry_point": "task_func",
    "doc_struct": "{}",
    "libs": "['absent_library', 'os']",
}
