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
        with file.open("rb") as stream:
            document = tomllib.load(stream)
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
        elif text.startswith("sqlite:///") and not text.startswith("sqlite:////"):
            settings[name] = f"sqlite:///{file.parent / text.removeprefix('sqlite:///')}"
    return settings


def _text(file: Path, name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, str | int | float):
        return str(value)
    raise ChurnkitError(f"{file}: {name} must be a text, a number, true or false")
