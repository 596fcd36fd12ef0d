"""Templates of endpoints: ``{token}``, ``{since}`` and settings in paths, parameters and bodies."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from churnkit.core.time import from_microseconds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["fill", "fill_params", "template_values"]

_NAME = re.compile(r"\{([a-z_]+)\}")


def template_values(
    *,
    since: int,
    until: int,
    fields: Sequence[str] = (),
    settings: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the values of an endpoint's templates.

    Parameters
    ----------
    since, until
        Start of the changes and time of the run, in microseconds since 1970.
    fields
        Names of the described fields.
    settings
        Settings of the source.

    Examples
    --------
    >>> template_values(since=0, until=0)["since"]
    '1970-01-01T00:00:00Z'
    """
    values: dict[str, Any] = dict(settings or {})
    for name, microseconds in (("since", since), ("until", until)):
        time = from_microseconds(microseconds)
        values[name] = f"{time:%Y-%m-%dT%H:%M:%SZ}"
        values[f"{name}_sql"] = f"{time:%Y-%m-%d %H:%M:%S}"
        values[f"{name}_date"] = f"{time:%Y-%m-%d}"
        values[f"{name}_hour"] = f"{time:%Y%m%dT%H}"
        values[f"{name}_unix"] = str(microseconds // 1_000_000)
        values[f"{name}_number"] = microseconds // 1_000_000
        values[f"{name}_ms"] = str(microseconds // 1_000)
    values["fields"] = ",".join(fields)
    values["fields_list"] = list(fields)
    return values


def fill(template: Any, values: Mapping[str, Any]) -> Any:
    """Fill a template; a text that is only ``{name}`` becomes the value with its type.

    Examples
    --------
    >>> fill({"ids": "{fields_list}", "q": "> {since}"}, {"fields_list": ["a"], "since": 5})
    {'ids': ['a'], 'q': '> 5'}
    """
    if isinstance(template, str):
        name = _NAME.fullmatch(template)
        if name and name[1] in values:
            return values[name[1]]
        return _NAME.sub(lambda match: str(values.get(match[1], match[0])), template)
    if isinstance(template, dict):
        filled = {name: fill(part, values) for name, part in template.items()}
        return {name: part for name, part in filled.items() if part is not None}
    if isinstance(template, (list, tuple)):
        return [fill(part, values) for part in template]
    return template


def fill_params(template: Mapping[str, str], values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Fill query parameters; those without a value are left out."""
    filled = [(name, fill(part, values)) for name, part in template.items()]
    return [(name, str(value)) for name, value in filled if value not in {None, ""}]
