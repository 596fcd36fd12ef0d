"""Whose rows a model was made from: salted hashes, which tell of a customer only who asks by id."""

from __future__ import annotations

import hashlib
import os
import secrets
from typing import TYPE_CHECKING

import numpy as np

from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from churnkit.core.project import Project

__all__ = ["MEMBERS_ARTIFACT", "hash_members", "members_salt", "read_members", "write_members"]

MEMBERS_ARTIFACT = "members/customers.npy"
_SALT = "members.salt"
_SALT_BYTES = 16


def hash_members(customers: Iterable[str], salt: bytes) -> NDArray[np.uint64]:
    """Hash customers' ids, sorted and each once.

    Examples
    --------
    >>> ids = hash_members(["b", "a", "b"], b"salt")
    >>> len(ids), bool(hash_members(["a"], b"salt")[0] in ids)
    (2, True)
    """
    hashed = [
        int.from_bytes(hashlib.blake2b(one.encode(), digest_size=8, key=salt).digest(), "big")
        for one in customers
    ]
    return np.unique(np.array(hashed, dtype=np.uint64))


def members_salt(project: Project, *, make: bool) -> bytes | None:
    """Return the project's salt; None if there is none and none is to be made.

    Raises
    ------
    ChurnkitError
        If it is damaged.
    """
    file = project.store / _SALT
    if make and not file.exists():
        project.store.mkdir(parents=True, exist_ok=True)
        aside = file.with_name(f".{_SALT}-{secrets.token_hex(4)}")
        handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as stream:
            stream.write(secrets.token_bytes(_SALT_BYTES))
        try:
            os.link(aside, file)  # another process may have been first: then its salt is the one
        except FileExistsError:
            pass
        finally:
            aside.unlink()
    try:
        salt = file.read_bytes()
    except FileNotFoundError:
        return None
    if len(salt) != _SALT_BYTES:
        raise ChurnkitError(
            f"{file} is damaged: restore it; without it no model's members are known"
        )
    return salt


def write_members(file: Path, customers: Iterable[str], salt: bytes) -> None:
    """Write the hashes as an array without pickle."""
    np.save(file, hash_members(customers, salt), allow_pickle=False)


def read_members(file: Path) -> NDArray[np.uint64] | None:
    """Read the hashes again; None for a file that is none of ours."""
    try:
        found = np.load(file, allow_pickle=False)
    except (OSError, ValueError):
        return None
    return found if found.dtype == np.uint64 and found.ndim == 1 else None
