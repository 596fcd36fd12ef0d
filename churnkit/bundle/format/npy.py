"""NumPy's ``.npy`` files, read more strictly than NumPy reads them.

NumPy evaluates a file's header as Python and allocates the shape that it declares. Here the
header must match exactly what NumPy writes for a plain array, and the shape must fit the bytes
that follow.
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
_MAX_HEADER_BYTES = 256


def write_array(array: NDArray[Any]) -> bytes:
    """Return an array as the bytes of a ``.npy`` file.

    Raises
    ------
    TypeError
        If its dtype is neither numeric nor boolean.
    """
    if array.dtype.kind not in "biuf":
        raise TypeError(f"a bundle cannot store an array of {array.dtype}")
    stream = io.BytesIO()
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    np.save(stream, np.ascontiguousarray(little), allow_pickle=False)
    return stream.getvalue()


def read_array(file: str, content: bytes) -> NDArray[Any]:
    """Return the array of a ``.npy`` file's bytes.

    Parameters
    ----------
    file
        Its name, for messages.
    content
        The complete file.

    Raises
    ------
    BundleError
        If it is not exactly what `write_array` writes.

    Examples
    --------
    >>> read_array("a.npy", write_array(np.array([[1.5, 2.0]])))
    array([[1.5, 2. ]])
    """
    match = _HEADER.match(content[:_MAX_HEADER_BYTES])
    if match is None or int.from_bytes(match["length"], "little") != match.end() - 10:
        raise BundleError(f"{file} is not an array that a bundle can store: retrain")
    kind = np.dtype(match["kind"].decode())
    shape = tuple(int(size) for size in match["shape"].split(b",") if size.strip())
    body = content[match.end() :]
    if math.prod(shape) * kind.itemsize != len(body):
        raise BundleError(
            f"{file} has {len(body)} bytes of data, which do not fit its shape {shape}: retrain"
        )
    return np.frombuffer(body, dtype=kind).reshape(shape).copy()
