"""Generation config of our own: of what a checkpoint's `generation_config.json` suggests, only the token ids count.

transformers fills what a call leaves unset from the checkpoint's: a repetition penalty there changes greedy answers.
"""

from transformers import GenerationConfig
from transformers.utils import cached_file

from iterpref_core.inference.local.checkpoint_errors import reading
from iterpref_core.inference.local.checkpoints import ModelSource

_TOKEN_IDS = ("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id")
# These were never in force: a call names the length, and drawing is our own.
_WITHOUT_EFFECT = {
    *("do_sample", "temperature", "top_k", "top_p", "min_p", "top_h", "typical_p", "epsilon_cutoff", "eta_cutoff"),
    *("max_length", "max_new_tokens", "transformers_version", "_from_model_config"),
}


def plain_generation(suggested: GenerationConfig) -> GenerationConfig:
    """Greedy decoding of the logits as they are, with the token ids of a checkpoint's config."""
    return GenerationConfig(**{name: getattr(suggested, name) for name in _TOKEN_IDS})


def suggests_otherwise(source: ModelSource) -> bool:
    """Whether a checkpoint's config would change greedy answers, as it did before `plain_generation` took its place.

    Raises:
        ModelError: the checkpoint cannot be had or read.
    """
    defaults = GenerationConfig._get_default_generation_params()  # noqa: SLF001 - written nowhere else
    return any(
        value not in (None, False, defaults.get(name))
        for name, value in suggested_generation(source).to_diff_dict().items()
        if name not in {*_TOKEN_IDS, *_WITHOUT_EFFECT}
    )


def suggested_generation(source: ModelSource) -> GenerationConfig:
    """A checkpoint's `generation_config.json`; where it has none, such settings in config.json, as in older ones.

    Raises:
        ModelError: the file cannot be read.
    """
    with reading(source, "generation_config.json"):
        own = cached_file(
            source.name_or_path,
            "generation_config.json",
            revision=source.revision,
            _raise_exceptions_for_missing_entries=False,
        )
        if own is not None:
            return GenerationConfig.from_pretrained(source.name_or_path, revision=source.revision)
    with reading(source, "config.json"):
        return GenerationConfig.from_pretrained(
            source.name_or_path, config_file_name="config.json", revision=source.revision, _from_model_config=True
        )
