# verdict: exception
# with processes: wrong_answer
# tests: io
# must not: fill /dev/shm
def f(x):
    open("/dev/shm/iterpref-hostile", "wb").write(bytes(10**6))
