"""Options that commands share as a group: a dataclass whose fields are options.

A command takes the group as one parameter. On the command line, its options are separate.
"""

import functools
import inspect
from collections.abc import Callable
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any

__all__ = ["ungrouped"]


def _parameter(field: "Field[Any]") -> inspect.Parameter:
    """The field of a group as a parameter of the command."""
    default = inspect.Parameter.empty if field.default is MISSING else field.default
    keyword = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(field.name, keyword, default=default, annotation=field.type)


def ungrouped(function: Callable[..., None]) -> Callable[..., None]:
    """The command with a separate parameter for each option of a group, all by keyword."""
    own = inspect.signature(function).parameters.values()
    groups: dict[str, Any] = {
        each.name: each.annotation for each in own if is_dataclass(each.annotation)
    }

    @functools.wraps(function)
    def command(**options: Any) -> None:
        for name, group in groups.items():
            options[name] = group(**{each.name: options.pop(each.name) for each in fields(group)})
        function(**options)

    parameters: list[inspect.Parameter] = []
    for each in own:
        single = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY)]
        group = groups.get(each.name)
        parameters += [_parameter(field) for field in fields(group)] if group else single
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    return command
