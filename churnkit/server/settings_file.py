"""Settings of the service from a TOML file, under the names of `churnkit.server.Settings`."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["read_settings_file"]


def read_settings_file(path: str, *, paths: Collection[str]) -> dict[str, str]:
    """Read a file of settings.

    Parameters
    ----------
    path
        The file, with lines such as ``max_rows = 500`` or ``keys = "keys.json"``.
    paths
        Names of the settings with a path; a relative one is relative to the file's folder.

    Returns
    -------
    dict of str to str
        Texts by name, as environment variables have them. Unknown names are returned too.

    Raises
    ------
    ChurnkitError
        If the file cannot be read, is not TOML, or has a value that is no text, number or
        boolean.
    """
    file = Path(path).absolute()
    try:
        # Some editors begin a file with a byte order mark.
        document = tomllib.loads(file.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise ChurnkitError(f"the settings in {file} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError):
        # The parser's message may quote a line with a password.
        raise ChurnkitError(f"the settings in {file} are not TOML: write NAME = VALUE") from None
    settings = {name: _text(file, name, value) for name, value in document.items()}
    for name in paths:
        text = settings.get(name, "")
        if text and "://" not in text and not text.startswith(("models:", "bento:")):
            settings[name] = str(file.parent / text)
        elif name == "journal" and text:
            from churnkit.journal.database import absolute_url

            settings[name] = absolute_url(text, file.parent)
    return settings


def _text(file: Path, name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise ChurnkitError(f"{file}: {name} must be a text, a number, true or false")
