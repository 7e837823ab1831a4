"""Made-up pairs: random tokens in lengths like those of the paper's pairs, one line wrong near the middle."""

import math
from random import Random

from iterpref_core.config import TrainingParams
from iterpref_core.training.dataset import TokenizedPair
from iterpref_core.training.method_costs import WRONG_TOKENS, Assumptions

END_TOKEN = 1
_FIRST_TOKEN = 2
_PROMPT_SPREAD, _PROGRAM_SPREAD = 0.3, 0.5
"""Standard deviations of the logarithm of lengths. A guess: what is published is one pair."""


def made_up_pairs(count: int, vocabulary: int, params: TrainingParams) -> list[TokenizedPair]:
    """Pairs whose mean lengths are those that costs assume, cut to the limits; the same for the same arguments.

    Args:
        count: how many.
        vocabulary: of the model; tokens 0 and 1, padding and end, stand nowhere else.
        params: limits of length, and the seed.
    """
    random = Random(params.seed)
    return [_pair(number, random, vocabulary, params) for number in range(count)]


def _pair(number: int, random: Random, vocabulary: int, params: TrainingParams) -> TokenizedPair:
    assumed = Assumptions().lengths
    prompt = min(_length(assumed.prompt, _PROMPT_SPREAD, random), params.max_prompt_length)
    program = min(_length(assumed.program, _PROGRAM_SPREAD, random), params.max_length - prompt - 1)
    wrong = min(WRONG_TOKENS, max(program // 4, 1))
    shared = round(random.uniform(0.4, 0.6) * (program - wrong))

    def tokens(size: int) -> list[int]:
        return random.choices(range(_FIRST_TOKEN, vocabulary), k=size)

    before, after = tokens(shared), tokens(program - shared - wrong)
    focal = [0] * shared + [1] * wrong + [0] * (len(after) + 1)
    return TokenizedPair(
        prompt_ids=tokens(prompt),
        chosen_ids=[*before, *tokens(wrong), *after, END_TOKEN],
        rejected_ids=[*before, *tokens(wrong), *after, END_TOKEN],
        focal=focal,
        focal_chosen=list(focal),
        cut=0,
        task_id=f"made-up-{number}",
    )


def _length(characters: float, spread: float, random: Random) -> int:
    """Log-normal, with the mean that so many characters are in tokens."""
    mean = characters / Assumptions().lengths.characters_per_token
    return max(1, round(random.lognormvariate(math.log(mean) - spread**2 / 2, spread)))
