"""Read and write bundle folders, with a digest for every byte.

``manifest.json`` lists each file with its size and SHA-256, ``manifest.sha256`` is the digest of
the manifest, and ``manifest.sig`` an optional signature of that. Reading verifies names, types,
sizes and digests before any parser sees a byte.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from churnkit.bundle.format.limits import check_sizes
from churnkit.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["BUNDLE_FORMAT", "Manifest", "read_folder", "write_folder"]

BUNDLE_FORMAT = 1
MANIFEST = "manifest.json"
SEAL = "manifest.sha256"
SIGNATURE = "manifest.sig"
_MAX_SIGNATURE_BYTES = 1_000
_MAX_MANIFEST_BYTES = 4_000_000
_NAME = re.compile(r"[a-z0-9_]+(/[a-z0-9_]+)*(\.[a-z0-9_]+)*\.(json|npy|txt)", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Manifest:
    """The manifest of a bundle.

    Parameters
    ----------
    name
        The model's registered name.
    lineage
        Origin: digests of data and contract, seed, package versions.
    files
        Size in bytes and SHA-256 of each file.
    digest
        SHA-256 of the manifest itself, ``sha256:...``: the identity of the bundle.
    signature
        Content of ``manifest.sig``, not verified; None without one.
    """

    name: str
    lineage: dict[str, Any]
    files: dict[str, dict[str, Any]]
    digest: str
    signature: bytes | None = None


def write_folder(
    path: str | os.PathLike[str],
    files: Mapping[str, bytes],
    *,
    name: str,
    lineage: Mapping[str, Any],
    signature: bytes | None = None,
) -> Manifest:
    """Write a bundle atomically.

    Parameters
    ----------
    path
        The folder to create; it must not exist.
    files
        Contents by file name (``contract.json``, ``scorer/values.npy``).
    name, lineage
        For the manifest. The same contents give the same digest.
    signature
        Of a bundle with this digest, if any.

    Returns
    -------
    Manifest

    Raises
    ------
    BundleError
        If the folder exists or cannot be written.
    """
    target = Path(path)
    if os.path.lexists(target):
        raise BundleError(f"{target} already exists: choose another folder, or remove it first")
    invalid = [file for file in files if not _is_name(file)]
    if invalid:
        raise BundleError(f"'{invalid[0]}' is not a valid file name for a bundle")
    listed: dict[str, dict[str, Any]] = {
        file: {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
        for file, content in sorted(files.items())
    }
    manifest = {"format": BUNDLE_FORMAT, "name": name, "lineage": dict(lineage), "files": listed}
    text = json.dumps(manifest, indent=1, sort_keys=True, allow_nan=False).encode()
    seal = hashlib.sha256(text).hexdigest()
    written = {**files, MANIFEST: text, SEAL: f"{seal}\n".encode()}
    if signature is not None:
        written[SIGNATURE] = signature
    try:
        _write_files(target, written)
    except OSError as error:
        raise BundleError(
            f"cannot save the bundle at {target}: {error.strerror or error}"
        ) from error
    return Manifest(name, dict(lineage), listed, f"sha256:{seal}", signature)


def _write_files(target: Path, files: Mapping[str, bytes]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    staged = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        for file, content in files.items():
            path = staged / file
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
        staged.chmod(0o755)
        staged.rename(target)
    except BaseException:
        shutil.rmtree(staged, ignore_errors=True)
        raise


def read_folder(path: str | os.PathLike[str]) -> tuple[Manifest, dict[str, bytes]]:
    """Read a bundle and verify its digests.

    Parameters
    ----------
    path
        The folder.

    Returns
    -------
    tuple of Manifest and dict
        The manifest, and the files' contents by name.

    Raises
    ------
    BundleError
        If a file is missing, changed, unlisted or a link, or the format is newer; the message
        names the file.
    """
    folder = Path(path)
    if not folder.is_dir():
        reason = "it is a file, not a folder" if folder.exists() else "it does not exist"
        raise BundleError(f"{folder} is not a bundle: {reason}")
    try:
        return _read(folder)
    except OSError as error:
        name = Path(error.filename).name if error.filename else "a file"
        raise BundleError(f"{folder}: {name} cannot be read: {error.strerror or error}") from error


def _read(folder: Path) -> tuple[Manifest, dict[str, bytes]]:
    present = _list(folder)
    for needed in (MANIFEST, SEAL):
        if needed not in present:
            raise BundleError(f"{folder} is not a bundle: it has no {needed}")
    manifest = _read_manifest(folder)
    unlisted = sorted(present - set(manifest.files) - {MANIFEST, SEAL, SIGNATURE})
    if unlisted:
        raise BundleError(
            f"{folder} contains {unlisted[0]}, which its manifest does not list: remove it, or "
            "retrain"
        )
    try:
        check_sizes(manifest.files)
    except BundleError as error:
        raise BundleError(f"{folder}: {error}") from None
    missing = sorted(set(manifest.files) - present)
    if missing:
        raise BundleError(f"{folder}: {missing[0]} is missing; fetch the bundle again, or retrain")
    return manifest, {
        file: _read_file(folder, file, entry) for file, entry in manifest.files.items()
    }


def _list(folder: Path) -> set[str]:
    """List the regular files; refuse links and special files before any is opened."""
    present = set()
    # Without onerror, a folder that cannot be listed would count as empty.
    for parent, folders, files in os.walk(folder, followlinks=False, onerror=_raise):
        for entry in sorted((*folders, *files)):
            path = Path(parent) / entry
            name = path.relative_to(folder).as_posix()
            mode = path.lstat().st_mode
            if stat.S_ISLNK(mode):
                raise BundleError(f"{folder}: {name} is a link; a bundle has regular files only")
            if stat.S_ISREG(mode):
                present.add(name)
            elif not stat.S_ISDIR(mode):
                raise BundleError(f"{folder}: {name} is not a regular file; remove it")
    return present


def _raise(error: OSError) -> None:
    raise error


def _read_manifest(folder: Path) -> Manifest:
    if (folder / MANIFEST).stat().st_size > _MAX_MANIFEST_BYTES:
        raise BundleError(
            f"{folder}: {MANIFEST} has more than {_MAX_MANIFEST_BYTES:,} bytes: retrain"
        )
    text = (folder / MANIFEST).read_bytes()
    expected = f"{hashlib.sha256(text).hexdigest()}\n".encode()
    with (folder / SEAL).open("rb") as stream:
        seal = stream.read(len(expected) + 1)
    if seal != expected:
        raise BundleError(
            f"{folder}: {MANIFEST} and {SEAL} do not match: one of them was changed after the "
            "bundle was saved; fetch it again, or retrain"
        )
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{folder}: {MANIFEST} is not JSON: retrain") from error
    if not isinstance(data, dict):
        raise BundleError(f"{folder}: {MANIFEST} is not the manifest of a bundle: retrain")
    version = data.get("format")
    if version != BUNDLE_FORMAT or isinstance(version, bool):
        raise BundleError(
            f"{folder}: {MANIFEST} has format {version!r:.40}, this version of churnkit reads "
            f"{BUNDLE_FORMAT}: upgrade churnkit"
        )
    name, lineage, files = (data.get(key) for key in ("name", "lineage", "files"))
    if not (isinstance(name, str) and isinstance(lineage, dict) and isinstance(files, dict)):
        raise BundleError(f"{folder}: {MANIFEST} is not the manifest of a bundle: retrain")
    for file, entry in files.items():
        if not _is_name(file):
            raise BundleError(
                f"{folder}: {MANIFEST} lists '{file}', which is not a valid file name"
            )
        if not _is_entry(entry):
            raise BundleError(f"{folder}: {MANIFEST} has no size and SHA-256 for {file}")
    return Manifest(
        name, lineage, files, f"sha256:{expected.decode().strip()}", _read_signature(folder)
    )


def _read_signature(folder: Path) -> bytes | None:
    path = folder / SIGNATURE
    if not path.exists():
        return None
    with path.open("rb") as stream:
        return stream.read(_MAX_SIGNATURE_BYTES)


def _is_name(file: str) -> bool:
    return file != MANIFEST and _NAME.fullmatch(file) is not None


def _is_entry(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and type(entry.get("size")) is int
        and entry["size"] >= 0
        and isinstance(entry.get("sha256"), str)
        and _SHA256.fullmatch(entry["sha256"]) is not None
    )


def _read_file(folder: Path, file: str, entry: Mapping[str, Any]) -> bytes:
    path = folder / file
    size = path.stat().st_size
    content = path.read_bytes() if size == entry["size"] else b""
    if size != entry["size"] or hashlib.sha256(content).hexdigest() != entry["sha256"]:
        raise BundleError(
            f"{folder}: {file} was changed after the bundle was saved; fetch it again, or retrain"
        )
    return content
