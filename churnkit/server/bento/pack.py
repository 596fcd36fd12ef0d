"""Package a model and its service as a Bento, to serve, ship or put into a container."""

from __future__ import annotations

import hashlib
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import bentoml

from churnkit import __version__
from churnkit.errors import ChurnkitError
from churnkit.server.bento.find_model import MODEL_SETTING
from churnkit.server.bento.model_store import bento_name, store_model

if TYPE_CHECKING:
    from churnkit.bundle import RetentionModel

__all__ = ["BUILD_SECONDS_VARIABLE", "pack", "quiet_environment"]

BUILD_SECONDS_VARIABLE: Final = "CHURNKIT_BUILD_SECONDS"
"""Environment variable with the time limit of a build, in seconds."""

_BUILD_SECONDS = 600.0
_MAX_BUILD_SECONDS = 86_400.0
_TAIL_LINES = 15


def pack(
    source: RetentionModel | str | os.PathLike[str],
    *,
    name: str,
    serving: str | os.PathLike[str],
) -> str:
    """Build a Bento from a model and a project's serving folder, or reuse an existing one.

    Parameters
    ----------
    source
        A loaded model, or a bundle's folder.
    name
        The Bento's name; see `bento_name`.
    serving
        The folder with ``service.py`` and ``bentofile.yaml``.

    Returns
    -------
    str
        The Bento's tag, ``name:version``. The version comes from the digests of the bundle and
        the serving folder: the same model and service give the same tag.

    Raises
    ------
    BundleError
        If the bundle does not verify.
    ChurnkitError
        If BentoML cannot build it, or not within `BUILD_SECONDS_VARIABLE` (600 seconds by
        default); the message ends with BentoML's last lines.
    """
    folder = Path(serving)
    if not (folder / "bentofile.yaml").is_file():
        raise ChurnkitError(f"{folder} has no bentofile.yaml: give a serving folder")
    model_tag = store_model(source, name=name)
    tag = f"{bento_name(name)}:{model_tag.partition(':')[2]}-{_digest(folder)[:8]}"
    if not _is_built(tag):
        _build(folder, tag, model_tag)
    return tag


def quiet_environment(**settings: str) -> dict[str, str]:
    """Return the environment of BentoML's processes: without tracking or a model of the caller."""
    variables = {name: value for name, value in os.environ.items() if name != MODEL_SETTING}
    return {**variables, "BENTOML_DO_NOT_TRACK": "True", **settings}


def _digest(folder: Path) -> str:
    """Return the digest of the service: its files and the version of churnkit."""
    digest = hashlib.sha256(__version__.encode())
    for file in sorted(folder.rglob("*")):
        if file.is_file() and "__pycache__" not in file.parts:
            digest.update(f"\0{file.relative_to(folder).as_posix()}\0".encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()


def _is_built(tag: str) -> bool:
    try:
        bentoml.get(tag)
    except bentoml.exceptions.NotFound:
        return False
    return True


def _build(folder: Path, tag: str, model_tag: str) -> None:
    """Build in a separate process: BentoML imports the service and changes the working folder."""
    name, _, version = tag.partition(":")
    command = [sys.executable, "-m", "bentoml", "build", "--name", name, "--version", version]
    seconds = _build_seconds()
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter and arguments
            [*command, "--output", "tag", "."],
            # BentoML builds only from inside the service's folder.
            cwd=folder,
            env=quiet_environment(**{MODEL_SETTING: f"bento:{model_tag}"}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ChurnkitError(
            f"BentoML did not build {tag} from {folder} in {seconds:g} s: run it again when the "
            f"machine is less busy, or set {BUILD_SECONDS_VARIABLE} to a longer time"
            f"{_last_lines(error.stdout)}"
        ) from None
    # Another process may have built the same Bento meanwhile.
    if done.returncode != 0 and not _is_built(tag):
        raise ChurnkitError(
            f"BentoML could not build {tag} from {folder}{_last_lines(done.stdout)}"
        )


def _build_seconds() -> float:
    text = os.environ.get(BUILD_SECONDS_VARIABLE)
    try:
        seconds = float(text) if text else _BUILD_SECONDS
    except ValueError:
        seconds = math.nan
    if not 0.0 < seconds <= _MAX_BUILD_SECONDS:
        raise ChurnkitError(
            f"{BUILD_SECONDS_VARIABLE} must be a number of seconds above 0 and at most "
            f"{_MAX_BUILD_SECONDS:g}"
        )
    return seconds


def _last_lines(output: bytes | None) -> str:
    lines = (output or b"").decode(errors="replace").splitlines()[-_TAIL_LINES:]
    return ":\n" + "\n".join(lines) if lines else ""
