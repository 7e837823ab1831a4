"""Untrained models, small enough for any test; a browser; and no test that depends on how busy the machine is."""

import gc
import os
import shutil
import signal
import sys
from collections import Counter

import pytest
from hypothesis import HealthCheck, settings

from tests import settings as settings_of_tests
from tests.dvc_repository import toy_checkout
from tests.once import made_once, read_gguf_once
from tests.settings import ROOT

__all__ = ["toy_checkout"]

# Models are tiny here, and tests run beside each other: more threads would only be in each other's way. Libraries read
# it when they are imported, which is why none is imported above.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# bitsandbytes, which PEFT imports, has functions compiled. To load the compiler takes a second of each process that
# trains, and on a CPU nothing else is compiled. With a GPU the tests compile what trainings of users do.
if shutil.which("nvidia-smi") is None:
    os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")

# Losses are compared with those of TRL's experimental trainers, which warn when they are first imported.
os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")

# In the repositories that tests make, each command of DVC would start another process, which reports to DVC's makers.
os.environ.setdefault("DVC_NO_ANALYTICS", "1")

# Whatever collecting makes stays until the end: to look for garbage among it took a quarter of collecting.
gc.disable()

# A shell has what it starts in the background ignore the interrupt; what tests start inherits that, and could not be
# ended by it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Each run composes the same inputs, so that a change is not stopped by an input that nobody has seen before.
# Forty of them are enough to notice a change; `pytest --hypothesis-profile search` composes others, and more of them,
# to look for faults.
# A busy machine may be slow, and a fixture that the inputs of a test share is meant to be shared.
MEANT = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
settings.register_profile("iterpref", max_examples=40, deadline=None, derandomize=True, suppress_health_check=MEANT)
settings.register_profile("search", max_examples=300, deadline=None, suppress_health_check=MEANT)
settings.load_profile("iterpref")


@pytest.fixture(scope="session", autouse=True)
def streams_of_dvc():
    """DVC logs to the streams that are there when it is first imported: those of a test are closed at its end."""
    import dvc  # noqa: F401 - its modules, which are heavy, are not imported


@pytest.fixture(autouse=True)
def no_setting_stays():
    """Give the next test the variables of this one and no address of MLflow: verbs and libraries set them for good."""
    before = dict(os.environ)
    yield
    if "mlflow" in sys.modules:
        import mlflow

        mlflow.set_tracking_uri(None)  # the one way to have none
    if os.environ != before:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)


@pytest.fixture(scope="session")
def make_model(tmp_path_factory):
    """Writes a checkpoint folder with the tokenizer it is given."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    def make(tokenizer):
        folder = tmp_path_factory.mktemp("model")
        torch.manual_seed(settings_of_tests.moved(0))
        config = LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=2,
            max_position_embeddings=256,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=None,
        )
        LlamaForCausalLM(config).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return folder

    return make


@pytest.fixture(scope="session")
def word_model(make_model):
    """A checkpoint whose tokenizer knows two words; it solves nothing."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import WhitespaceSplit
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(WordLevel({"?": 0, "</s>": 1, "return": 2, "x": 3}, unk_token="?"))
    words.pre_tokenizer = WhitespaceSplit()
    return make_model(
        PreTrainedTokenizerFast(tokenizer_object=words, unk_token="?", eos_token="</s>", pad_token="</s>")
    )


@pytest.fixture
def growing_memory(monkeypatch):
    """Memory that grows with every pass, and how often it was given back."""
    from tests.growing_memory import Releases

    return Releases(monkeypatch)


@pytest.fixture(scope="session")
def smollm2(tmp_path_factory):
    """SmolLM2-135M-Instruct as a folder; without its package the test is skipped."""
    from iterpref_core.models.pretrained.checkpoints import SMOLLM2
    from iterpref_core.nanolab.gguf_checkpoint import find_gguf, write_checkpoint
    from iterpref_core.records import ModelError

    try:
        find_gguf(SMOLLM2)
    except ModelError as error:
        pytest.skip(str(error))

    def make(folder):
        with pytest.MonkeyPatch.context() as patched:
            read_gguf_once(patched)
            write_checkpoint(SMOLLM2, folder)

    return made_once(tmp_path_factory, SMOLLM2, make)


@pytest.fixture(scope="module")
def chromium():
    """A headless Chromium; without one on this machine the test is skipped.

    It is a module's: while it is open, Playwright's event loop runs in this thread, and no other one can.
    """
    from tests.browser import CHROMIUM, open_browser

    if CHROMIUM is None:
        pytest.skip("no chromium on this machine: the page is not tried in a browser")
    with open_browser() as chromium:
        yield chromium


@pytest.fixture
def browser(chromium):
    """A tab for this test alone."""
    from tests.browser import open_tab

    with open_tab(chromium) as page:
        yield page


def pytest_addoption(parser):
    """Add an option that shows which tests rest on how one training went."""
    parser.addoption("--training-seed", type=int, default=0, metavar="N", help="add N to the seeds of what is trained")


def pytest_configure(config):
    """Keep the settings of the user's Prefect out; it makes its folder when imported, and a home may be read-only."""
    import os
    import tempfile

    settings_of_tests.training_seed = config.option.training_seed
    for name in [name for name in os.environ if name.startswith("PREFECT")]:
        del os.environ[name]
    folder = tempfile.TemporaryDirectory(prefix="iterpref-tests-")
    config.add_cleanup(folder.cleanup)
    os.environ["PREFECT_HOME"] = folder.name


MODULES = pytest.StashKey[int]()
"""The number of modules that were imported when the garbage collector was last told to leave them alone."""


def pytest_collection_finish(session):
    """Collect garbage from now on, though none among what there is already."""
    session.config.stash[MODULES] = len(sys.modules)
    gc.freeze()
    gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item):
    """Have no collection of garbage go through the modules of torch and others, which live as long as the process.

    Each training collects garbage once, which took as long as a training of these models does.
    """
    imported = len(sys.modules)
    if imported > item.config.stash[MODULES] + 500:
        item.config.stash[MODULES] = imported
        gc.collect()
        gc.freeze()


def pytest_collection_modifyitems(items):
    """Rooms whose files take longest start first: at the end short ones are left, for which no worker waits long."""
    longest = ["pipeline", "flows", "training", "tasks", "models", "packaging", "evaluation", "execution"]

    def place(item):
        room = item.path.relative_to(ROOT / "tests").parts[0]
        return longest.index(room) if room in longest else len(longest)

    items.sort(key=place)


def pytest_terminal_summary(terminalreporter):
    """Say for want of what how many tests were skipped."""
    reasons = Counter(str(report.longrepr[2]) for report in terminalreporter.stats.get("skipped", ()))
    for reason, count in reasons.most_common():
        terminalreporter.write_line(f"{count:5} {reason}")
