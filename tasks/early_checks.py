"""Check the settings of all stages that will run before the first one starts, which may take hours before the last."""

from collections.abc import Iterable, Iterator

from iterpref_core.records import InputError, IterPrefError, Params

from .stages import find_stage


def refusals(stages: Iterable[str], params: Params) -> Iterator[tuple[str, str]]:
    """Yield what stages refuse of the settings, as (stage, message); a message of several stages once.

    Args:
        stages: DVC's names, such as `training@dpo`.
        params: the settings that they will run with.
    """
    seen = set()
    checked = set()
    for name in stages:
        stage, item = find_stage(name)
        try:
            if stage.check and stage.name not in checked:
                checked.add(stage.name)
                stage.check(params)
            if stage.check_item:
                stage.check_item(params, item)
        except (IterPrefError, ImportError) as error:  # a package that is broken
            if str(error) not in seen:
                yield name, str(error)
            seen.add(str(error))


def check_early(stages: Iterable[str], params: Params) -> None:
    """Refuse settings that a stage of these cannot take.

    Raises:
        InputError: all that they refuse, one a line.
    """
    if found := [f"stage {stage}: {message}" for stage, message in refusals(stages, params)]:
        raise InputError("\n".join(found))
