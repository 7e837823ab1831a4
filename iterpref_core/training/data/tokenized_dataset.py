"""Tokenized data set: pairs as tokens in a memory-mapped Arrow file, made once for all processes and objectives.

A process holds the rows that it looks at. The operating system keeps the pages, once for all processes, as long as it
has room.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from random import Random

import numpy as np
import tokenizers
import transformers
from datasets import Dataset, Features, List, Value
from datasets.arrow_writer import ArrowWriter

from iterpref_core.config import TrainingParams
from iterpref_core.errors import ConfigError
from iterpref_core.models.chat_template import ChatTemplate
from iterpref_core.progress import show_progress
from iterpref_core.records import unnumbered
from iterpref_core.storage.code_digest import code_digest
from iterpref_core.storage.make_once import make_once
from iterpref_core.training.data.checks import COLUMNS, DIGESTS, PairChecks, measure
from iterpref_core.training.data.pair_files import PairFiles, PairReader
from iterpref_core.training.data.tokenized_pair import TokenizedPair

_ROWS = 64
"""Rows written at once."""

_MADE_BY = ("iterpref_core.models", "iterpref_core.training")
_PAIRS = "pairs.arrow"
_READ = "read.json"
"""The methods of localization, and how many pairs have no spans: known when all of the files are read."""
_TOKENS = Features(
    {name: List(Value("int32")) for name in ("prompt_ids", "chosen_ids", "rejected_ids")}
    | {name: List(Value("int8")) for name in ("focal", "focal_chosen")}
    | {name: Value("string") for name in ("task_id", "problem_id")}
    | {f"{part}_truncated": Value("int32") for part in ("prompt", "chosen", "rejected", "focal")}
    | {"blank": Value("int32")}
)
"""The columns that are a `TokenizedPair`."""
_MEASURED = Features({name: Value("int32") for name in COLUMNS} | {name: Value("string") for name in DIGESTS})
"""The columns of `PairChecks`, some of which are a pair's own."""


class TokenizedDataset(Sequence[TokenizedPair]):
    """Tokenized pairs on disk.

    Attributes:
        checks: of all pairs.
        methods: names of the methods of localization.
        problems: of all pairs, a name for each problem.
        totals: (2 pairs,) tokens of each chosen program, then of each rejected one, with its prompt.
        starts: (2 pairs + 1,) where these programs begin in the reference.
        reference: log-probabilities as `reference_logps` gives them, which rows have from then on.
    """

    def __init__(self, folder: Path) -> None:
        dataset = Dataset.from_file(str(folder / _PAIRS))
        columns = {name: dataset.data[name].to_pylist() for name in ("task_id", "problem_id", *_MEASURED)}
        read = json.loads((folder / _READ).read_text())
        self._rows = dataset.select_columns(list(_TOKENS))
        self.checks = PairChecks(columns, read["without_spans"])
        self.methods: tuple[str, ...] = tuple(read["methods"])
        self.problems = problems_of(columns["task_id"], columns["problem_id"])
        # Two pairs with programs of 3 and 4 tokens, and of 5 and 6, have the lengths 3 5 4 6: all chosen ones first.
        # In the reference they start at 0 3 8 12, and it ends at 18.
        lengths = np.concatenate([self.checks["chosen_tokens"], self.checks["rejected_tokens"]])
        prompts = self.checks["prompt_tokens"]
        self.totals = np.concatenate([prompts, prompts]) + lengths
        self.starts = np.concatenate([[0], np.cumsum(lengths)])
        self.reference: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> TokenizedPair:  # type: ignore[override]  # no slices of it are taken
        row = TokenizedPair(**self._rows[index])
        if self.reference is None:
            return row
        chosen = self._of_program(self.reference, index)
        rejected = self._of_program(self.reference, len(self) + index)
        return replace(row, ref_chosen=chosen, ref_rejected=rejected)

    def _of_program(self, reference: np.ndarray, program: int) -> list[float]:
        """Return the reference's log-probabilities of a program's tokens."""
        logps: list[float] = reference[self.starts[program] : self.starts[program + 1]].tolist()
        return logps


def open_tokenized_dataset(
    files: PairFiles,
    template: ChatTemplate,
    fingerprint: str,
    params: TrainingParams,
    folder: Path,
) -> TokenizedDataset:
    """Return the pairs with spans, tokenized; of several processes that want them, one makes them and the others wait.

    Args:
        files: preference pairs and error regions; pairs without a record there are left out.
        template: of the model that is to be trained.
        fingerprint: of that model, and of how it reads prompts.
        params: length limits, in tokens, and the form of the answers.
        folder: where tokenized pairs are kept, each under a digest of all that decides it.

    Raises:
        InputError: there is no pair, or `max_length` leaves no room for programs.
        ModelError: the tokenizer gives no offsets or has no end token, or the chat template changes a program.
    """
    form = [params.max_prompt_length, params.max_length, params.answer]
    versions = [
        code_digest(*_MADE_BY),
        tokenizers.__version__,
        transformers.__version__,
    ]
    decisive = [dict(files.digests), fingerprint, form, versions]
    key = hashlib.sha256(json.dumps(decisive).encode()).hexdigest()[:32]

    def make(partial: Path) -> None:
        partial.mkdir()
        reader = PairReader(files.pairs, files.spans)
        rows = reader.tokenize(template, params)
        with (
            show_progress("tokenize", None, unit="pairs") as advance,
            ArrowWriter(features=Features(_TOKENS | _MEASURED), path=str(partial / _PAIRS)) as writer,
        ):
            while batch := list(islice(rows, _ROWS)):
                measured = [measure(row) for row in batch]
                columns = {name: [getattr(row, name) for row in batch] for name in _TOKENS}
                columns |= {name: [each[name] for each in measured] for name in _MEASURED}
                writer.write_batch(columns)
                advance(len(batch))
            writer.finalize()
        read = {"without_spans": reader.without_spans, "methods": sorted(reader.methods)}
        (partial / _READ).write_text(json.dumps(read))

    return TokenizedDataset(make_once(folder / key, make))


def problems_of(task_ids: Sequence[str], problem_ids: Sequence[str]) -> list[str]:
    """Return for every pair the problem that it belongs to.

    Where a file does not say, `t#2` belongs to `t` if the file has a pair `t` or `t#0`: so were the pairs of one
    problem called before. Names such as `issue#1` of another origin are problems of their own.

    >>> problems_of(["t", "t#2", "issue#1", "issue#2", "a", "b"], ["", "", "", "", "same", "same"])
    ['t', 't', 'issue#1', 'issue#2', 'same', 'same']

    Args:
        task_ids: of all pairs.
        problem_ids: of all pairs; empty where the file does not say.
    """
    known = set(task_ids)
    problems = []
    for task_id, problem_id in zip(task_ids, problem_ids, strict=True):
        first = unnumbered(task_id)
        several = first in known or f"{first}#0" in known
        problems.append(problem_id or (first if several else task_id))
    return problems


def held_out(problems: Sequence[str], params: TrainingParams, processes: int, *, rows: str = "pairs") -> list[bool]:
    """Return for every pair whether it is kept from training.

    Each problem is drawn by itself, from the seed and its name: it stays on its side when others come or go, and all
    pairs of it, which may have the same chosen program, are on the same.

    Args:
        problems: of all pairs, as `problems_of` gives them.
        params: `validation_share`, `seed`, and `select` and `early_stopping_patience`, which need such pairs.
        processes: how many score them; each needs a pair.
        rows: the noun for them in messages, if they are no pairs.

    Raises:
        ConfigError: there is nothing to choose by, or nothing left to train on.
    """
    share = params.validation_share
    if not share:
        if params.select == "best":
            raise ConfigError(
                f"params.yaml: training.select: best needs {rows} to choose by; set training.validation_share, "
                "such as 0.05"
            )
        if params.early_stopping_patience:
            raise ConfigError(
                f"params.yaml: training.early_stopping_patience: needs {rows} whose loss it waits for; set "
                "training.validation_share, such as 0.05"
            )
        return [False] * len(problems)
    held = [Random(f"{params.seed}/{problem}").random() < share for problem in problems]
    if not processes <= sum(held) < len(held):
        raise ConfigError(
            f"params.yaml: training.validation_share: {share:g} of {len(held)} {rows} holds {sum(held)} out; "
            f"it must hold out at least {processes} and leave at least one to train on; change it"
        )
    return held
