# verdict: exception
# with processes: wrong_answer
# must not: leave shared memory behind
from multiprocessing import shared_memory


def f(x):
    return shared_memory.SharedMemory("iterpref-hostile", create=True, size=10**6).size
