"""EvalPlus's own verdicts; a script, run in a process of its own.

    python official_evalplus.py DATASET

For every line `[task_id, [program, ...]]` of standard input there is a line `[[base, plus], ...]`: whether each program
passes the base tests, and the plus tests too. EvalPlus limits the address space of what it forks to 4 GB, all that is
mapped before included: a test process that holds torch has as much.
"""

import json
import multiprocessing
import os
import sys


def judge(dataset, task, codes, answers):
    """Verdicts on the programs of one task; in a process of its own, since some results take a gigabyte."""
    from evalplus.eval import PASS, untrusted_check
    from evalplus.eval._special_oracle import MBPP_OUTPUT_NOT_NONE_TASKS
    from evalplus.gen.util import trusted_exec

    name, reference = task["entry_point"], task["prompt"] + task["canonical_solution"]
    not_none = dataset == "mbpp" and name in MBPP_OUTPUT_NOT_NONE_TASKS
    suites = []
    for suite in ("base", "plus"):
        inputs = task[f"{suite}_input"]
        suites.append((inputs, *trusted_exec(reference, inputs, name, record_time=True, output_not_none=not_none)))
    found = []
    for code in codes:
        passed = []
        for inputs, expected, times in suites:
            arguments = (dataset, code, inputs, name, expected, task["atol"], times)
            passed.append(untrusted_check(*arguments, fast_check=True)[0] == PASS)
        found.append((passed[0], all(passed)))
    answers.send(found)


def main():
    """Answer all lines."""
    # The processes that are forked have all that is loaded here.
    import evalplus.eval  # noqa: F401
    from evalplus.data import get_human_eval_plus, get_mbpp_plus

    (dataset,) = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    tasks = (get_human_eval_plus if dataset == "humaneval" else get_mbpp_plus)()
    context = multiprocessing.get_context("fork")
    for line in sys.stdin:
        task_id, codes = json.loads(line)
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=judge, args=(dataset, tasks[task_id], codes, theirs))
        process.start()
        theirs.close()
        answers.write(json.dumps(ours.recv()) + "\n")
        answers.flush()
        process.join()


if __name__ == "__main__":
    main()
