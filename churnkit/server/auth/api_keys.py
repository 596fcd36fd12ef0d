"""API keys: stored only as digests in a file, which is read again when it changes.

A key is ``ck_``, its public id, and 256 random bits. A dictionary attack cannot guess those, so
that one SHA-256 is as safe as a slow hash, and costs a request a microsecond.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import re
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from churnkit.core.io.atomic_write import write_atomic
from churnkit.core.io.watch import FileWatch
from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence

__all__ = ["SCOPES", "Key", "KeyRing", "add_key", "read_keys", "remove_key"]

SCOPES: Final = ("predict", "recommend", "outcomes", "manage", "admin")
_LOG = logging.getLogger("churnkit.server")
_KEY = re.compile(r"ck_(?P<id>[0-9a-f]{12})_(?P<secret>[A-Za-z0-9_-]{43})", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9 ._-]{1,60}", re.ASCII)
_LOOK_SECONDS = 1.0
_NO_KEY = bytes(32)


@dataclass(frozen=True, slots=True)
class Key:
    """The stored entry of a key, without its secret.

    Parameters
    ----------
    id
        Public part, safe to log.
    name
        Its holder.
    sha256
        Digest of the secret part.
    scopes
        A subset of `SCOPES`.
    rate, burst
        Requests per second and at once; None for the service's defaults.
    """

    id: str
    name: str
    sha256: bytes
    scopes: frozenset[str]
    rate: float | None = None
    burst: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the key's entry in the file."""
        limits = {"rate": self.rate, "burst": self.burst}
        return {
            "id": self.id,
            "name": self.name,
            "sha256": self.sha256.hex(),
            "scopes": [scope for scope in SCOPES if scope in self.scopes],
            **{name: limit for name, limit in limits.items() if limit is not None},
        }


def add_key(
    path: str | os.PathLike[str],
    *,
    name: str,
    scopes: Iterable[str],
    rate: float | None = None,
    burst: float | None = None,
) -> str:
    """Create a key and store its digest in a file, which is created if need be.

    Parameters
    ----------
    path
        The key file.
    name
        Of the holder.
    scopes
        One or more of `SCOPES`.
    rate, burst
        Requests per second and at once; None for the service's defaults.

    Returns
    -------
    str
        The key, which is stored nowhere.

    Raises
    ------
    ChurnkitError
        If the name, a scope or a limit is not valid, or the file is not a key file.
    """
    granted = frozenset(scopes)
    _check(name, granted, (rate, burst))
    file = Path(path)
    keys = read_keys(file) if file.exists() else ()
    secret = secrets.token_urlsafe(32)
    digest = hashlib.sha256(secret.encode()).digest()
    key = Key(secrets.token_hex(6), name, digest, granted, rate, burst)
    _write(file, (*keys, key))
    return f"ck_{key.id}_{secret}"


def remove_key(path: str | os.PathLike[str], key_id: str) -> None:
    """Remove a key from a file; services that read the file refuse it from then on.

    Parameters
    ----------
    path
        The key file.
    key_id
        Public id of the key.

    Raises
    ------
    ChurnkitError
        If the file does not have the key.
    """
    keys = read_keys(path)
    kept = [key for key in keys if key.id != key_id]
    if len(kept) == len(keys):
        raise ChurnkitError(f"{path} has no key '{key_id}': see churnkit keys list")
    _write(Path(path), kept)


def read_keys(path: str | os.PathLike[str]) -> tuple[Key, ...]:
    """Read a key file.

    Parameters
    ----------
    path
        The key file.

    Raises
    ------
    ChurnkitError
        If it cannot be read, is not a key file, or others may write to it.
    """
    file = Path(path)
    try:
        mode = file.stat().st_mode
        document = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ChurnkitError(
            f"{path} cannot be read ({error.strerror or error}): create it with churnkit keys add"
        ) from error
    except ValueError as error:
        raise ChurnkitError(
            f"{path} is not JSON: create it again with churnkit keys add"
        ) from error
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ChurnkitError(f"{path} is writable by other users: chmod 600 {path}")
    try:
        keys = tuple(_entry(entry) for entry in document["keys"])
    except (KeyError, TypeError, ValueError) as error:
        raise ChurnkitError(f"{path} is not a key file: see churnkit keys add") from error
    return keys


def _entry(entry: Any) -> Key:
    digest = bytes.fromhex(entry["sha256"])
    if len(digest) != len(_NO_KEY):
        raise ValueError("a digest has the wrong length")
    scopes, limits = frozenset(entry["scopes"]), (entry.get("rate"), entry.get("burst"))
    _check(entry["name"], scopes, limits)
    return Key(str(entry["id"]), entry["name"], digest, scopes, *limits)


def _check(name: str, scopes: frozenset[str], limits: Sequence[float | None]) -> None:
    if not _NAME.fullmatch(name):
        raise ChurnkitError("a key's name must be 1 to 60 letters, digits, spaces, '.', '_' or '-'")
    unknown = sorted(scopes - set(SCOPES))
    if unknown or not scopes:
        reason = f"there is no scope '{unknown[0]}'" if unknown else "a key needs a scope"
        raise ChurnkitError(f"{reason}: give one or more of {', '.join(SCOPES)}")
    if any(limit is not None and not limit > 0 for limit in limits):
        raise ChurnkitError("rate and burst must be above 0")


def _write(file: Path, keys: Iterable[Key]) -> None:
    text = json.dumps({"keys": [key.to_dict() for key in keys]}, indent=1) + "\n"
    write_atomic(file, text, mode=0o600)


class KeyRing:
    """The keys of a running service.

    Parameters
    ----------
    path
        The key file, checked for changes once a second. If it cannot be read, the earlier keys
        stay in use.

    Raises
    ------
    ChurnkitError
        If the file cannot be read at first.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._watch = FileWatch(self._path, _LOOK_SECONDS)
        self._keys = {key.id: key for key in read_keys(self._path)}

    def find(self, presented: str) -> Key | None:
        """Return the entry of a presented key; None if it is not valid.

        Takes the same time for any wrong secret.
        """
        if self._watch.changed():
            self._reload()
        match = _KEY.fullmatch(presented)
        key = self._keys.get(match["id"]) if match else None
        digest = hashlib.sha256((match["secret"] if match else "").encode()).digest()
        matches = hmac.compare_digest(digest, key.sha256 if key else _NO_KEY)
        return key if matches else None

    def _reload(self) -> None:
        try:
            self._keys = {key.id: key for key in read_keys(self._path)}
        except ChurnkitError as error:
            _LOG.error("the earlier keys stay in use: %s", error)
        else:
            _LOG.info("%s keys were reloaded", len(self._keys))
