"""The folder where decisions wait for the journal: one per service and journal, for its user alone."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from pathlib import Path
from typing import Final

from churnkit.core.io.atomic_write import write_atomic
from churnkit.errors import ChurnkitError

__all__ = ["default_spool", "journal_identity", "prepare_spool", "state_folder"]

_OWNER_FILE: Final = "journal.sha256"
_OTHERS: Final = 0o077


def journal_identity(url: str) -> str:
    """Return a digest of a journal's address, without its password.

    Raises
    ------
    JournalError
        If the URL is invalid.

    Examples
    --------
    >>> journal_identity("postgresql://a:1@db/j") == journal_identity("postgresql://a:2@db/j")
    True
    """
    from churnkit.journal.database import absolute_url, parse_url

    # Parsed alone: opening a SQLite database would create its file.
    address = parse_url(absolute_url(url)).set(query={}).render_as_string(hide_password=True)
    return hashlib.sha256(address.encode()).hexdigest()


def state_folder() -> Path:
    """Return the folder of this user's spools: below ``$XDG_STATE_HOME`` or ``~/.local/state``.

    Raises
    ------
    ChurnkitError
        If the user has no home folder.
    """
    state = os.environ.get("XDG_STATE_HOME")
    try:
        base = Path(state) if state else Path.home() / ".local" / "state"
    except RuntimeError:
        raise ChurnkitError(
            "the user has no home folder: set CHURNKIT_SPOOL to a folder that survives restarts"
        ) from None
    return base / "churnkit" / "spool"


def default_spool(service: str, identity: str) -> Path:
    """Return the spool of a service and a journal in the user's folder for persistent state.

    Parameters
    ----------
    service
        Name of the model.
    identity
        From `journal_identity`.
    """
    name = re.sub(r"[^\w.-]", "_", service)[:80]
    return state_folder() / f"{name}-{identity[:12]}"


def prepare_spool(folder: Path, identity: str) -> Path:
    """Create a spool folder if it is missing, and check that no other user or journal uses it.

    Parameters
    ----------
    folder
        The folder.
    identity
        Identity of the journal whose decisions wait there.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    ChurnkitError
        If it cannot be created, belongs to another user, is accessible to others, is a link, or
        is the spool of another journal.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        status = folder.lstat()
        _check_access(folder, status)
        owner = folder / _OWNER_FILE
        if not owner.exists():
            write_atomic(owner, identity.encode(), mode=0o600)
        owned = owner.read_text(encoding="ascii", errors="replace")
    except OSError as error:
        raise ChurnkitError(
            f"decisions cannot be stored in {folder} ({error.strerror}): set CHURNKIT_SPOOL to a "
            "folder that the service may create and that survives restarts"
        ) from None
    if owned != identity:
        raise ChurnkitError(
            f"{folder} is the spool of another journal: set CHURNKIT_SPOOL to another folder"
        )
    return folder


def _check_access(folder: Path, status: os.stat_result) -> None:
    if not stat.S_ISDIR(status.st_mode):
        raise ChurnkitError(f"{folder} is not a folder: set CHURNKIT_SPOOL to another one")
    if status.st_uid != os.geteuid():
        raise ChurnkitError(
            f"{folder} belongs to another user, who could forge decisions: set CHURNKIT_SPOOL to "
            "a folder that the service creates itself"
        )
    if status.st_mode & _OTHERS:
        raise ChurnkitError(
            f"{folder} is accessible to other users (mode {stat.S_IMODE(status.st_mode):o}): run "
            f"chmod 700 {folder}"
        )
