# verdict: exception
# with processes: wrong_answer
# tests: io
# must not: read the zygote's command line
def f(x):
    return open("/proc/1/cmdline").read() + open("/proc/self/environ").read()
