"""Lists of what a test may use that is judged outside; see `outside`."""

import builtins
import re
import unittest

_NAMES_OF_LIBRARIES = """
    __future__.* typing.* math.* cmath.* itertools.* heapq.* bisect.* statistics.* textwrap.* base64.* zlib.* os.path.*
    ast.literal_eval calendar.isleap calendar.monthrange copy.copy copy.deepcopy fractions.Fraction collections.Counter
    collections.defaultdict contextlib.redirect_stdout contextlib.redirect_stderr contextlib.suppress
    contextlib.nullcontext decimal.Decimal decimal.ROUND_HALF_UP decimal.InvalidOperation datetime.date datetime.time
    datetime.datetime datetime.timedelta datetime.timezone datetime.UTC functools.reduce functools.wraps
    functools.cmp_to_key glob.glob hashlib.md5 hashlib.sha1 hashlib.sha256 hashlib.sha512 io.StringIO io.BytesIO
    json.loads json.dumps json.load json.dump json.JSONDecodeError os.sep os.linesep os.remove os.unlink os.listdir
    os.mkdir os.makedirs os.rmdir os.rename pathlib.Path pathlib.PurePath random.Random random.randint random.randrange
    random.choice
    random.choices random.sample random.shuffle random.uniform random.random re.match re.search re.fullmatch re.sub
    re.findall re.finditer re.split re.escape re.I re.IGNORECASE re.M re.MULTILINE re.S re.DOTALL re.X re.VERBOSE
    re.error shutil.rmtree shutil.copy string.ascii_letters string.ascii_lowercase string.ascii_uppercase string.digits
    string.hexdigits string.octdigits string.punctuation string.printable string.whitespace struct.pack struct.unpack
    struct.calcsize sys.stdout sys.stderr sys.maxsize sys.float_info sys.getsizeof sys.version_info sys.exit
    sys.path.insert sys.path.append tempfile.TemporaryDirectory tempfile.NamedTemporaryFile tempfile.mkdtemp
    tempfile.mkstemp tempfile.gettempdir time.time time.perf_counter time.monotonic time.process_time
    types.GeneratorType types.FunctionType types.MethodType unittest.TestCase unittest.main unittest.skip
    unittest.skipIf unittest.skipUnless unittest.expectedFailure unittest.TestLoader unittest.TextTestRunner
    unittest.TestSuite unittest.defaultTestLoader pytest.raises pytest.mark pytest.approx pytest.fixture pytest.param
    pytest.skip pytest.fail pytest.xfail pytest.main pytest.importorskip
"""
_LISTED = frozenset(_NAMES_OF_LIBRARIES.split())
"""Names of libraries that a test may use: functions that return plain values, types of data, runners of tests."""
_LISTED_MODULES = frozenset(name.rpartition(".")[0] for name in _LISTED)
_NAMES_OF_BUILTINS = """
    abs all any ascii bin bool bytes callable chr classmethod complex dict divmod enumerate filter float
    format frozenset getattr hasattr hash hex int isinstance issubclass iter len list map max min next object oct open
    ord pow print property range repr reversed round set slice sorted staticmethod str sum super tuple type zip None
    True False NotImplemented Ellipsis __name__ __file__
"""
BUILTINS = frozenset(_NAMES_OF_BUILTINS.split())
SPECIAL = frozenset({"__name__", "__init__", "__version__", "__file__"})
"""Special attributes that a test may ask for: of others, a proxy's are not the object's."""
ASSERTS = frozenset(name for name in dir(unittest.TestCase) if name.startswith("assert")) - {
    *("assertLogs", "assertNoLogs", "assertWarns", "assertWarnsRegex")
}
FIXTURES = frozenset({"self", "cls", "capsys", "tmp_path"})
OUTPUT = frozenset({"sys.stdout", "sys.stderr"})
"""Names of a library that a test may set: the program's output reaches the test's own streams."""
LOCAL = re.compile(r"random\.Random|re\.|hashlib\.|tempfile\.|io\.|itertools\.")
"""Makers of libraries' objects, which a test may use and not hand over."""
MAKERS = frozenset({"iter", "map", "filter", "zip", "enumerate", "reversed", "open", "object", "super", "slice"}) | {
    name for name, value in vars(builtins).items() if isinstance(value, type) and issubclass(value, BaseException)
}
"""Builtins that make what a test may use and not hand over."""
CALLBACKS = frozenset({"append", "add", "extend", "update", "write"})
"""Methods that tests hand over as functions."""
CHANGES = frozenset({"append", "extend", "update", "clear", "sort"})
"""Methods that change a list or a dictionary."""
STATE = re.compile(r"random\.|decimal\.")
"""Names of a state that a program could have set before a test reads it."""


def is_listed_module(name: str) -> bool:
    """Tell whether names of a module are listed."""
    return any(module == name or module.startswith(f"{name}.") for module in _LISTED_MODULES)


def is_listed(path: str) -> bool:
    """Tell whether a name of a library is listed: `sys.stdout.write` is, by `sys.stdout`; `math.pi` is, by `math.*`."""
    parts = path.split(".")
    known = [".".join(parts[:end]) for end in range(1, len(parts) + 1)]
    return any(each in _LISTED or (f"{each}.*" in _LISTED and each != path) for each in known)
