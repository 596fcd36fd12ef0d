"""Arrays as NumPy's own files, read more strictly than NumPy reads them.

NumPy evaluates a file's header as Python and makes room for whatever shape it names. Here the
header must be, to the letter, what NumPy writes for a plain array, and the shape must fit the
bytes that follow.
"""

from __future__ import annotations

import io
import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.errors import BundleError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["read_array", "write_array"]

_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00(?P<length>[\x00-\xff]{2})"
    rb"\{'descr': '(?P<kind>\|b1|\|u1|\|i1|<[fiu][248])', 'fortran_order': False, "
    rb"'shape': \((?P<shape>(?:[0-9]{1,12}(?:, [0-9]{1,12})*,?)?)\), \} *\n",
    re.DOTALL,
)
_LONGEST_HEADER = 256


def write_array(array: NDArray[Any]) -> bytes:
    """Return an array as the bytes of a ``.npy`` file.

    Raises
    ------
    TypeError
        If it holds other things than numbers or truth values.
    """
    if array.dtype.kind not in "biuf":
        raise TypeError(f"a bundle holds no array of {array.dtype}")
    stream = io.BytesIO()
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    np.save(stream, np.ascontiguousarray(little), allow_pickle=False)
    return stream.getvalue()


def read_array(file: str, content: bytes) -> NDArray[Any]:
    """Return the array of a ``.npy`` file's bytes.

    Parameters
    ----------
    file
        What to call it in the message.
    content
        The file, whole.

    Raises
    ------
    BundleError
        If it is not to the letter what `write_array` writes.

    Examples
    --------
    >>> read_array("a.npy", write_array(np.array([[1.5, 2.0]])))
    array([[1.5, 2. ]])
    """
    match = _HEADER.match(content[:_LONGEST_HEADER])
    if match is None or int.from_bytes(match["length"], "little") != match.end() - 10:
        raise BundleError(f"{file} is no array that a bundle holds: train again")
    kind = np.dtype(match["kind"].decode())
    shape = tuple(int(size) for size in match["shape"].split(b",") if size.strip())
    body = content[match.end() :]
    if math.prod(shape) * kind.itemsize != len(body):
        raise BundleError(f"{file} is longer or shorter than its shape says: train again")
    return np.frombuffer(body, dtype=kind).reshape(shape).copy()
