# verdict: exception|timeout
# with processes: wrong_answer|timeout
# must not: make processes
import multiprocessing


def f(x):
    with multiprocessing.Pool(2) as pool:
        return pool.map(abs, [x])
