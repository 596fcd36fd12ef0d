"""Object stores: S3, Google Cloud Storage and Azure, through the file systems of pyarrow."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from churnkit.core.io.spool import copy_stream, spool_file
from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ObjectFile", "find_objects", "open_filesystem", "store_errors"]

_TIMEOUT_SECONDS = 30
_SETTINGS = {
    "s3": "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION, or a profile",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_ACCOUNT and AZURE_STORAGE_KEY, or az login",
}
_FAMILIES = {
    "s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs",
    "az": "az", "azure": "az", "abfs": "az", "abfss": "az",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ObjectFile:
    """A file of an object store.

    Parameters
    ----------
    url
        URL, for messages.
    filesystem
        A `pyarrow.fs.FileSystem`.
    path
        Path within it.
    size
        Bytes.
    modified
        Nanoseconds since 1970; 0 if unknown.
    """

    url: str
    filesystem: Any
    path: str
    size: int
    modified: int

    @property
    def name(self) -> str:
        """File name."""
        return PurePosixPath(self.path).name

    def open(self) -> Any:
        """Open the file for reading at any position."""
        with store_errors(self.url):
            return self.filesystem.open_input_file(self.path)

    def download(self) -> Path:
        """Copy the file to a temporary one, once for the process."""

        def write(target: Path) -> None:
            with (
                store_errors(self.url),
                self.filesystem.open_input_stream(self.path, compression=None) as stream,
            ):
                copy_stream(stream, target, name=self.url, size=self.size)

        return spool_file(("object", self.url, self.size, self.modified), self.name, write)


def open_filesystem(url: str) -> tuple[Any, str]:
    """Open the file system of a URL.

    Credentials and regions come from the environment and the provider's own configuration;
    ``AWS_ENDPOINT_URL`` names an S3-compatible server.

    Parameters
    ----------
    url
        ``s3://bucket/key``, ``gs://bucket/key``, or ``az://container/path`` with the account in
        ``AZURE_STORAGE_ACCOUNT``.

    Returns
    -------
    filesystem, path
        A `pyarrow.fs.FileSystem` and the path within it.

    Raises
    ------
    ChurnkitError
        If pyarrow lacks the file system, or its settings are incomplete.
    """
    scheme, _, rest = url.partition("://")
    family = _FAMILIES[scheme.lower()]
    path, _, query = rest.partition("?")
    if not path.strip("/"):
        raise ChurnkitError(f"{url} names no bucket: write it as {scheme}://bucket/path")
    with store_errors(url):
        if query or (family == "az" and "@" in path):
            return _from_url(url)
        return _filesystem(family, path.partition("/")[0]), path


def _from_url(url: str) -> tuple[Any, str]:
    from pyarrow import fs

    try:
        filesystem, path = fs.FileSystem.from_uri(url)
    except (ValueError, TypeError):
        raise ChurnkitError(f"{url.partition('?')[0]} is not a valid URL: correct it") from None
    return filesystem, path


@lru_cache(maxsize=16)
def _filesystem(family: str, bucket: str) -> Any:
    from pyarrow import fs

    kinds = {"s3": "S3FileSystem", "gs": "GcsFileSystem", "az": "AzureFileSystem"}
    if not hasattr(fs, kinds[family]):
        raise ChurnkitError(
            f"this pyarrow has no {kinds[family]}: install a build of pyarrow with it"
        )
    if family == "s3":
        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
        settings: dict[str, Any] = {
            "connect_timeout": _TIMEOUT_SECONDS,
            "request_timeout": _TIMEOUT_SECONDS,
        }
        if endpoint:
            parts = urlsplit(endpoint if "://" in endpoint else f"https://{endpoint}")
            settings |= {
                "endpoint_override": parts.netloc,
                "scheme": parts.scheme,
                "region": region or "us-east-1",
            }
        else:
            settings["region"] = region or fs.resolve_s3_region(bucket)
        return fs.S3FileSystem(**settings)
    if family == "gs":
        import datetime as dt

        return fs.GcsFileSystem(retry_time_limit=dt.timedelta(seconds=_TIMEOUT_SECONDS))
    account = os.environ.get("AZURE_STORAGE_ACCOUNT") or os.environ.get(
        "AZURE_STORAGE_ACCOUNT_NAME"
    )
    if not account:
        raise ChurnkitError(
            "az:// needs the account: set AZURE_STORAGE_ACCOUNT, or write "
            "abfs://container@account.dfs.core.windows.net/path"
        )
    key = os.environ.get("AZURE_STORAGE_KEY") or os.environ.get("AZURE_STORAGE_ACCOUNT_KEY")
    return fs.AzureFileSystem(account, account_key=key)


def find_objects(url: str) -> tuple[list[ObjectFile], bool]:
    """Find the file of a URL, or the files below it, in the order of their paths.

    Parameters
    ----------
    url
        A file or a prefix.

    Returns
    -------
    files, is_file
        The files, and True if the URL names one file.

    Raises
    ------
    ChurnkitError
        If the store cannot be reached, or there is no such file or prefix.
    """
    from pyarrow import fs

    filesystem, path = open_filesystem(url)
    scheme = url.partition("://")[0]
    with store_errors(url):
        info = filesystem.get_file_info(path.rstrip("/"))
        if info.type == fs.FileType.NotFound:
            raise ChurnkitError(f"{url} does not exist: correct the name, or check the access")
        is_file = info.type == fs.FileType.File
        infos = (
            [info]
            if is_file
            else [
                entry
                for entry in filesystem.get_file_info(
                    fs.FileSelector(path.rstrip("/"), recursive=True)
                )
                if entry.type == fs.FileType.File
            ]
        )
    files = [
        ObjectFile(
            f"{scheme}://{entry.path}", filesystem, entry.path, entry.size or 0,
            entry.mtime_ns or 0,
        )
        for entry in infos
    ]  # fmt: skip
    return sorted(files, key=lambda file: file.path), is_file


@contextmanager
def store_errors(url: str) -> Iterator[None]:
    """Replace errors of a file system by one that names the URL and the settings to check."""
    try:
        yield
    except FileNotFoundError:
        raise ChurnkitError(f"{url} does not exist: correct the name") from None
    except OSError as error:
        text = str(error)
        if "ACCESS_DENIED" in text or "403" in text or "Forbidden" in text:
            problem = "access is denied"
        elif "NO_SUCH_BUCKET" in text or "NoSuchBucket" in text:
            problem = "the bucket does not exist"
        elif "404" in text:
            problem = "it does not exist"
        else:
            problem = "the store does not answer as expected"
        family = _FAMILIES.get(url.partition("://")[0].lower(), "s3")
        raise ChurnkitError(
            f"{url.partition('?')[0]} cannot be reached: {problem}; check the name, the network "
            f"and the credentials ({_SETTINGS[family]})"
        ) from None
