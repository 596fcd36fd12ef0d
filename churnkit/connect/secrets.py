"""Secrets by reference: from the environment, a private file or a command, resolved at use."""

from __future__ import annotations

import os
import shlex
import stat
import subprocess
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

from churnkit.errors import ConnectError

__all__ = ["Command", "Env", "Secret", "SecretFile"]

_TIMEOUT_SECONDS = 60


class Secret(ABC):
    """Reference to a secret; the base of `Env`, `SecretFile` and `Command`."""

    __slots__ = ()

    @abstractmethod
    def resolve(self) -> str:
        """Return the secret's value.

        Raises
        ------
        ConnectError
            If there is none.
        """


@dataclass(frozen=True, slots=True)
class Env(Secret):
    """A secret in an environment variable.

    Parameters
    ----------
    name
        Name of the variable.

    Examples
    --------
    >>> Env("STRIPE_KEY")
    Env(name='STRIPE_KEY')
    """

    name: str

    def resolve(self) -> str:
        """Return the variable's value.

        Raises
        ------
        ConnectError
            If it is not set.
        """
        value = os.environ.get(self.name, "").strip()
        if not value:
            raise ConnectError(
                f"the environment variable {self.name} is not set: export the secret"
            )
        return _one_line(value, f"the environment variable {self.name}")


@dataclass(frozen=True, slots=True)
class SecretFile(Secret):
    """A secret in a file that only its owner can read.

    Parameters
    ----------
    path
        Path of the file.

    Examples
    --------
    >>> SecretFile("~/.secrets/stripe")
    SecretFile(path='~/.secrets/stripe')
    """

    path: str

    def resolve(self) -> str:
        """Return the file's text.

        Raises
        ------
        ConnectError
            If it cannot be read, or others can read it.
        """
        file = Path(self.path).expanduser()
        try:
            with file.open(encoding="utf-8") as stream:
                mode = os.fstat(stream.fileno()).st_mode
                if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
                    raise ConnectError(
                        f"{file} can be read by others: run chmod 600 {shlex.quote(str(file))}"
                    )
                text = stream.read()
        except (OSError, UnicodeDecodeError):
            raise ConnectError(f"{file} cannot be read: write the secret into it") from None
        return _one_line(text, str(file))


@dataclass(frozen=True, slots=True)
class Command(Secret):
    """A secret that a command prints, such as one of a secret store.

    Parameters
    ----------
    command
        Command line; it runs without a shell.

    Examples
    --------
    >>> Command("printf hello").resolve()
    'hello'
    """

    command: str

    def resolve(self) -> str:
        """Return what the command prints.

        Raises
        ------
        ConnectError
            If it fails.
        """
        name = next(iter(shlex.split(self.command)), "")
        try:
            done = subprocess.run(  # noqa: S603 - the user's own command, without a shell
                shlex.split(self.command),
                capture_output=True,
                timeout=_TIMEOUT_SECONDS,
                check=True,
                text=True,
            )
        except (OSError, ValueError, subprocess.SubprocessError):
            raise ConnectError(
                f"the command {name} of a secret failed: run it in this terminal"
            ) from None
        return _one_line(done.stdout, f"the command {name}")


def _one_line(text: str, origin: str) -> str:
    value = text.strip()
    if not value or not value.isprintable():
        raise ConnectError(f"{origin} does not hold one line of printable text: correct the secret")
    return value
