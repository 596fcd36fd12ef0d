"""Index of the latest version of each record: hashes of keys and digests of contents."""

from __future__ import annotations

import json
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from churnkit.connect.ingestion.version_log import VersionLog

__all__ = ["VersionIndex", "digest", "last_of_each"]

_ENCODE = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode


def digest(value: Any) -> int:
    """Return 64 bits of the BLAKE2 hash of JSON-able data, as a signed integer.

    Examples
    --------
    >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    True
    """
    text = value if isinstance(value, str) else _ENCODE(value)
    content = text.encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(content, digest_size=8).digest(), "little", signed=True)


class VersionIndex:
    """Latest digest by key: sorted arrays of the log, and a dictionary of this run.

    16 bytes per version. Two keys with the same 64-bit hash are read as one record; the
    probability is 3e-10 among 100,000 records and 3e-6 among 10 million.

    Parameters
    ----------
    log
        Log of the versions.
    """

    def __init__(self, log: VersionLog) -> None:
        keys, digests = log.read("_hash"), log.read("_digest")
        states = log.read("_state")
        last = last_of_each(keys)
        self._keys: NDArray[np.int64] = keys[last]
        self._digests: NDArray[np.int64] = digests[last]
        self._live = states[last] == 0
        self._recent: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def is_latest(self, key: int, content: int) -> bool:
        """Return True if the latest version of a record has this content."""
        recent = self._recent.get(key)
        if recent is not None:
            return recent == content
        at = int(np.searchsorted(self._keys, key))
        return (
            at < len(self._keys)
            and int(self._keys[at]) == key
            and int(self._digests[at]) == content
        )

    def add(self, key: int, content: int) -> None:
        """Add a version."""
        self._recent[key] = content

    def live_keys(self) -> NDArray[np.int64]:
        """Return the hashes of the keys of the log's records that are not deleted."""
        keys: NDArray[np.int64] = self._keys[self._live]
        return keys


def last_of_each(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the index of the last occurrence of each key, by key.

    Examples
    --------
    >>> last_of_each(np.array([5, 3, 5])).tolist()
    [1, 2]
    """
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    is_last = np.ones(len(keys), dtype=np.bool_)
    is_last[:-1] = ordered[1:] != ordered[:-1]
    last: NDArray[np.int64] = order[is_last]
    return last
