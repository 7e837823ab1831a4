"""JSON items as records, and as what is made of them."""

from collections.abc import Callable
from typing import TypeVar

from pydantic import ValidationError

from iterpref_core.errors import RecordError
from iterpref_core.records import Record
from iterpref_core.storage.items import Item
from iterpref_core.storage.jsonl import describe_validation_error, parse_record

R = TypeVar("R", bound=Record)
T = TypeVar("T")


def parse_item(item: Item, record: type[R], convert: Callable[[R], T]) -> T:
    """What becomes of one object.

    Raises:
        RecordError: it is no such record, or `convert` raises a ValueError, which names the field; the message says
            where.
    """
    parsed = parse_record(item.where, item.text, record)
    try:
        return convert(parsed)
    except ValidationError as error:  # of what is made of it
        reason = describe_validation_error(error)
    except ValueError as error:
        reason = str(error)
    except RecursionError:
        reason = "a program is nested too deeply"
    raise RecordError(f"{item.where}: {reason}; correct it")
