"""Keep tokenized pairs in a memory-mapped Arrow file, made once for all processes and objectives.

A process holds the rows that it looks at. The operating system keeps the pages, once for all processes, as long as it
has room.
"""

import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import tokenizers
import transformers
from datasets import Dataset, Features, List, Value
from datasets.arrow_writer import ArrowWriter

from iterpref_core.models.pretrained.chat_template import ChatTemplate
from iterpref_core.records import InputError, PreferencePair, TrainingParams, digest_of
from iterpref_core.storage.digests import code_digest, file_digest
from iterpref_core.storage.jsonl import read_pairs
from iterpref_core.storage.make_once import make_once
from iterpref_core.storage.progress import show_progress
from iterpref_core.storage.whole_folder import is_whole, mark_whole

from .held_out import problems_of
from .measures import COLUMNS, DIGESTS, PairMeasures, measure
from .tokenization import tokenize_pairs
from .tokenized_pair import COUNTS, TokenizedPair

_ROWS = 64
"""Rows written at once."""
_MADE_BY = (
    "iterpref_core.models.pretrained",
    "iterpref_core.programs.answers.fences",
    "iterpref_core.programs.source_code.syntax_tree",
    "iterpref_core.training.data",
)
_PAIRS = "pairs.arrow"
_READ = "read.json"
"""The methods of localization, which are known when all of the file is read."""
_TOKENS = Features(
    {name: List(Value("int32")) for name in ("prompt_ids", "chosen_ids", "rejected_ids")}
    | {name: List(Value("int8")) for name in ("focal", "focal_chosen")}
    | {name: Value("string") for name in ("task_id", "problem_id", "statement")}
    | {name: Value("int32") for name in COUNTS}
)
"""The columns that are a `TokenizedPair`."""
_MEASURED = Features({name: Value("int32") for name in COLUMNS} | {name: Value("string") for name in DIGESTS})
"""The columns of `PairMeasures`; `TokenizedPair` has some of them."""


class TokenizedDataset(Sequence[TokenizedPair]):
    """Tokenized pairs on disk.

    Attributes:
        checks: of all pairs.
        methods: names of the methods of localization.
        digests: MD5 of the file of pairs.
        problems: of all rows, a name for each problem.
        starts: (pairs + 1,) where the two programs of each pair begin in the reference.
        reference: log-probabilities as `reference_logps` gives them, which rows have from then on.
    """

    def __init__(self, folder: Path) -> None:
        dataset = Dataset.from_file(str(folder / _PAIRS))
        columns = {name: dataset.data[name].to_pylist() for name in ("problem_id", "statement", *_MEASURED)}
        read = json.loads((folder / _READ).read_text())
        # Columns of the checks are read once, and the rows' own columns as rows are asked for.
        self._rows = dataset.select_columns(list(_TOKENS))
        self.checks = PairMeasures(columns)
        self.methods: tuple[str, ...] = tuple(read["methods"])
        self.digests: dict[str, str] = read["digests"]
        self.problems = problems_of(columns["problem_id"], columns["statement"])
        # Pairs with programs of 3 and 4 tokens, and of 5 and 6, start at 0 and 7 of the reference, which ends at 18.
        # A program alone has no reference, and takes no room there.
        scored = self.checks.is_pair * (self.checks["chosen_tokens"] + self.checks["rejected_tokens"])
        self.starts = np.cumsum([0, *scored])
        self.reference: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> TokenizedPair:  # type: ignore[override]  # no slices of it are taken
        row = TokenizedPair(**self._rows[index])
        if self.reference is None:
            return row
        return row.with_reference(self.reference[self.starts[index] : self.starts[index + 1]])


def open_tokenized_dataset(
    pairs: Path,
    template: ChatTemplate,
    fingerprint: str,
    params: TrainingParams,
    folder: Path,
) -> TokenizedDataset:
    """Return the rows of a training, tokenized; of several processes that want them, one makes them, the others wait.

    Args:
        pairs: their file; a pair that has no region yet has an empty one here.
        template: of the model that is to be trained.
        fingerprint: of that model, and of how it reads prompts.
        params: settings; the lengths and the form of answers decide the rows.
        folder: where tokenized rows are kept, each under a digest of all that decides it.

    Raises:
        RecordError: a line is broken.
        InputError: there are not any rows, or a row cannot be used, or `max_length` leaves no room for programs.
        ModelError: the tokenizer gives no offsets or has no end token, or the chat template changes a program.
    """
    versions = [
        code_digest(*_MADE_BY),
        tokenizers.__version__,
        transformers.__version__,
    ]
    form = params.model_dump(include={"max_prompt_length", "max_length", "answer"})
    digests = {"pairs": file_digest(pairs, "md5")}  # as DVC records it
    decisive = [digests, fingerprint, form, versions]
    key = digest_of(decisive)

    methods: set[str] = set()

    def read() -> Iterator[PreferencePair]:
        for pair in read_pairs(pairs):
            if pair.rejected_spans is not None:
                methods.add(pair.localization or "given")
            yield pair

    # Written to a partial folder, which `make_once` renames when it is whole.
    def make(partial: Path) -> None:
        partial.mkdir()
        features = Features(_TOKENS | _MEASURED)
        with (
            show_progress("tokenize", None, unit="pairs") as advance,
            ArrowWriter(features=features, path=str(partial / _PAIRS), writer_batch_size=_ROWS) as writer,
        ):
            for row in tokenize_pairs(read(), template, params):
                writer.write(measure(row) | {name: getattr(row, name) for name in _TOKENS})
                advance()
            rows, _ = writer.finalize()
        if not rows:
            raise InputError(
                f"{pairs}: no pair to train on; fixes that only insert lines are dropped or kept by localization.empty"
            )
        (partial / _READ).write_text(json.dumps({"methods": sorted(methods), "digests": digests}))
        mark_whole(partial)

    if not is_whole(folder / key):
        shutil.rmtree(folder / key, ignore_errors=True)
    return TokenizedDataset(make_once(folder / key, make))
