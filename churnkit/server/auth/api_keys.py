"""API keys: made once, kept only as digests in a file, read again when the file changes.

A key is ``ck_``, its public id, and 256 random bits. No dictionary helps against those, so one
SHA-256 keeps them as safe as a slow hash would, and a request pays a microsecond for it.
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

SCOPES: Final = ("predict", "recommend", "outcomes", "admin")
_LOG = logging.getLogger("churnkit.server")
_KEY = re.compile(r"ck_(?P<id>[0-9a-f]{12})_(?P<secret>[A-Za-z0-9_-]{43})", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9 ._-]{1,60}", re.ASCII)
_LOOK_SECONDS = 1.0
_NOBODY = bytes(32)


@dataclass(frozen=True, slots=True)
class Key:
    """What is known of one key: never the key itself.

    Parameters
    ----------
    id
        The public part, safe to log.
    name
        Who holds it.
    sha256
        Of the secret part.
    scopes
        What it may ask: of `SCOPES`.
    rate, burst
        Requests a second and at once; None for the service's own.
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
    """Make a key and put its digest into a file, which is made if need be.

    Returns
    -------
    The key: it is shown this once, and kept nowhere.

    Raises
    ------
    ChurnkitError
        If the name or a scope is none, or the file is not one of keys.
    """
    asked = frozenset(scopes)
    _check(name, asked, (rate, burst))
    place = Path(path)
    known = read_keys(place) if place.exists() else ()
    secret = secrets.token_urlsafe(32)
    digest = hashlib.sha256(secret.encode()).digest()
    key = Key(secrets.token_hex(6), name, digest, asked, rate, burst)
    _write(place, (*known, key))
    return f"ck_{key.id}_{secret}"


def remove_key(path: str | os.PathLike[str], key_id: str) -> None:
    """Take a key out of a file: services that read it refuse the key from then on.

    Raises
    ------
    ChurnkitError
        If there is no such key.
    """
    known = read_keys(path)
    left = [key for key in known if key.id != key_id]
    if len(left) == len(known):
        raise ChurnkitError(f"{path} has no key '{key_id}': see churnkit keys list")
    _write(Path(path), left)


def read_keys(path: str | os.PathLike[str]) -> tuple[Key, ...]:
    """Read a file of keys.

    Raises
    ------
    ChurnkitError
        If it cannot be read, is not a file of keys, or others may write to it.
    """
    place = Path(path)
    try:
        mode = place.stat().st_mode
        said = json.loads(place.read_text(encoding="utf-8"))
    except OSError as error:
        raise ChurnkitError(
            f"{path} cannot be read ({error.strerror or error}): make it with churnkit keys add"
        ) from error
    except ValueError as error:
        raise ChurnkitError(f"{path} is not JSON: make it anew with churnkit keys add") from error
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ChurnkitError(f"{path} can be written by others: chmod 600 {path}")
    try:
        keys = tuple(_entry(entry) for entry in said["keys"])
    except (KeyError, TypeError, ValueError) as error:
        raise ChurnkitError(f"{path} is no file of keys: see churnkit keys add") from error
    return keys


def _entry(entry: Any) -> Key:
    digest = bytes.fromhex(entry["sha256"])
    if len(digest) != len(_NOBODY):
        raise ValueError("a digest has another length")
    scopes, limits = frozenset(entry["scopes"]), (entry.get("rate"), entry.get("burst"))
    _check(entry["name"], scopes, limits)
    return Key(str(entry["id"]), entry["name"], digest, scopes, *limits)


def _check(name: str, scopes: frozenset[str], limits: Sequence[float | None]) -> None:
    if not _NAME.fullmatch(name):
        raise ChurnkitError("a key's name is 1 to 60 letters, digits, blanks, '.', '_' or '-'")
    strange = sorted(scopes - set(SCOPES))
    if strange or not scopes:
        said = f"there is no scope '{strange[0]}'" if strange else "a key needs a scope"
        raise ChurnkitError(f"{said}: give one or more of {', '.join(SCOPES)}")
    if any(limit is not None and not limit > 0 for limit in limits):
        raise ChurnkitError("rate and burst must be above 0")


def _write(place: Path, keys: Iterable[Key]) -> None:
    text = json.dumps({"keys": [key.to_dict() for key in keys]}, indent=1) + "\n"
    write_atomic(place, text, mode=0o600)


class KeyRing:
    """The keys of a running service.

    Parameters
    ----------
    path
        Their file. It is looked at again once a second; a file that cannot be read leaves the
        keys as they were.

    Raises
    ------
    ChurnkitError
        If the file cannot be read at the start.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._watch = FileWatch(self._path, _LOOK_SECONDS)
        self._keys = {key.id: key for key in read_keys(self._path)}

    def find(self, presented: str) -> Key | None:
        """Return the key that somebody presents, if it is one.

        The time that this takes does not depend on how much of the secret is right.
        """
        if self._watch.changed():
            self._read_again()
        match = _KEY.fullmatch(presented)
        key = self._keys.get(match["id"]) if match else None
        digest = hashlib.sha256((match["secret"] if match else "").encode()).digest()
        right = hmac.compare_digest(digest, key.sha256 if key else _NOBODY)
        return key if right else None

    def _read_again(self) -> None:
        try:
            self._keys = {key.id: key for key in read_keys(self._path)}
        except ChurnkitError as error:
            _LOG.error("the keys stay as they were: %s", error)
        else:
            _LOG.info("the keys were read again: %s of them", len(self._keys))
