"""Salted hashes of the customers that a model was trained on, to look a customer up by id."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from typing import TYPE_CHECKING

import numpy as np

from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from churnkit.core.project import Project

__all__ = [
    "MEMBERS_ARTIFACT",
    "SALT_TAG",
    "hash_members",
    "members_salt",
    "read_members",
    "salt_fingerprint",
    "write_members",
]

SALT_TAG = "churnkit.members_salt"
_SALT_VARIABLE = "CHURNKIT_MEMBERS_SALT"
MEMBERS_ARTIFACT = "members/customers.npy"
_SALT = "members.salt"
_SALT_BYTES = 16


def hash_members(customers: Iterable[str], salt: bytes) -> NDArray[np.uint64]:
    """Return the sorted unique hashes of customers' ids.

    Examples
    --------
    >>> ids = hash_members(["b", "a", "b"], b"salt")
    >>> len(ids), bool(hash_members(["a"], b"salt")[0] in ids)
    (2, True)
    """
    hashed = [
        int.from_bytes(hashlib.blake2b(customer.encode(), digest_size=8, key=salt).digest(), "big")
        for customer in customers
    ]
    return np.unique(np.array(hashed, dtype=np.uint64))


def members_salt(project: Project, *, create: bool) -> bytes | None:
    """Return the project's salt, created if missing and `create`; otherwise None.

    ``CHURNKIT_MEMBERS_SALT`` (32 hexadecimal digits) replaces the file, so that several checkouts
    of a project use one salt.

    Raises
    ------
    ChurnkitError
        If the file or the variable is damaged.
    """
    shared = os.environ.get(_SALT_VARIABLE)
    if shared:
        if not re.fullmatch(f"[0-9a-fA-F]{{{2 * _SALT_BYTES}}}", shared):
            raise ChurnkitError(f"{_SALT_VARIABLE} must be {2 * _SALT_BYTES} hexadecimal digits")
        return bytes.fromhex(shared)
    file = project.store / _SALT
    if create and not file.exists():
        project.make_store()
        staged = file.with_name(f".{_SALT}-{secrets.token_hex(4)}")
        handle = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as stream:
            stream.write(secrets.token_bytes(_SALT_BYTES))
        try:
            os.link(staged, file)  # keeps the salt of another process that was first
        except FileExistsError:
            pass
        finally:
            staged.unlink()
    try:
        salt = file.read_bytes()
    except FileNotFoundError:
        return None
    if len(salt) != _SALT_BYTES:
        raise ChurnkitError(
            f"{file} is damaged: restore it; without it no customer can be looked up in a model"
        )
    return salt


def salt_fingerprint(salt: bytes) -> str:
    """Return a digest that identifies a salt and does not disclose it."""
    return hashlib.sha256(b"churnkit members:" + salt).hexdigest()[:16]


def write_members(file: Path, customers: Iterable[str], salt: bytes) -> None:
    """Write the hashes as an array without pickle."""
    np.save(file, hash_members(customers, salt), allow_pickle=False)


def read_members(file: Path) -> NDArray[np.uint64] | None:
    """Read the hashes; None if the file is not an array of hashes."""
    try:
        hashes = np.load(file, allow_pickle=False)
    except (OSError, ValueError):
        return None
    return hashes if hashes.dtype == np.uint64 and hashes.ndim == 1 else None
