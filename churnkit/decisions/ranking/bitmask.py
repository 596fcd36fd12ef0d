"""Eligible options in the journal: names, or a bitmask over the ranking's options where they are many.

A thousand names would take 14 kB in each row of the journal; their bitmask takes 200 bytes. It has
the number of the ranking's options and a digest of their names, so that it is not read with others.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import TYPE_CHECKING, Final

import numpy as np

from churnkit.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["pack_options", "unpack_options"]

_PREFIX: Final = "bitmask:"
# Fewer names are short enough, and can be read by a person.
_MOST_NAMES: Final = 50
_DIGEST_LENGTH: Final = 8


def pack_options(names: Sequence[str], options: Sequence[str]) -> tuple[str, ...]:
    """Return the names, or one text with a bit per option of the ranking if they are many.

    Parameters
    ----------
    names
        Eligible options.
    options
        All options of the ranking, in its order.

    Examples
    --------
    >>> pack_options(["b"], ["a", "b"])
    ('b',)
    >>> every = [f"option-{number}" for number in range(1_000)]
    >>> [packed] = pack_options(every[:900], every)
    >>> len(packed), unpack_options([packed], every) == tuple(every[:900])
    (190, True)
    """
    if len(names) <= _MOST_NAMES:
        return tuple(names)
    chosen = set(names)
    bits = np.packbits([option in chosen for option in options])
    return (_head(options) + base64.b64encode(bits.tobytes()).decode("ascii"),)


def unpack_options(packed: Sequence[str], options: Sequence[str]) -> tuple[str, ...]:
    """Return the names of eligible options as the journal has them.

    Parameters
    ----------
    packed
        The column ``eligible`` of a decision.
    options
        All options of the ranking of the decision's model, in its order.

    Returns
    -------
    tuple of str
        The names, in the ranking's order.

    Raises
    ------
    DataError
        If the options are not those of the decision's model.
    """
    if len(packed) != 1 or not packed[0].startswith(_PREFIX):
        return tuple(packed)
    head = _head(options)
    try:
        content = base64.b64decode(packed[0].removeprefix(head), validate=True)
    except binascii.Error:
        content = b""
    bits = np.unpackbits(np.frombuffer(content, dtype=np.uint8))
    is_of_options = packed[0].startswith(head) and len(content) == -(-len(options) // 8)
    if not is_of_options or bits[len(options) :].any():
        raise DataError(
            "eligible",
            [f"the bitmask is not over these {len(options)} options: pass those of its model"],
        )
    return tuple(
        option for option, bit in zip(options, bits[: len(options)].tolist(), strict=True) if bit
    )


def _head(options: Sequence[str]) -> str:
    """Return the start of a bitmask over these options: their number and a digest of the names."""
    digest = hashlib.sha256("\0".join(options).encode()).hexdigest()[:_DIGEST_LENGTH]
    return f"{_PREFIX}{len(options)}:{digest}:"
