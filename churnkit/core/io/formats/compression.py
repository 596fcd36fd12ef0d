"""Decompress files to temporary copies."""

from __future__ import annotations

import lzma
import zlib
from typing import TYPE_CHECKING

import pyarrow as pa

from churnkit.core.io.formats.signature import split_compression
from churnkit.core.io.spool import copy_stream, spool_file
from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["DECOMPRESSION_ERRORS", "decompress"]

DECOMPRESSION_ERRORS = (EOFError, zlib.error, lzma.LZMAError)
"""Errors of Python's decompressors that are not an OSError."""


def decompress(path: Path, key: tuple[object, ...], *, name: str) -> Path:
    """Return a decompressed temporary copy of a .gz, .zst, .bz2 or .xz file.

    Parameters
    ----------
    path
        The file.
    key
        Identifies its content.
    name
        Name of the file in messages.

    Raises
    ------
    ChurnkitError
        If the file is truncated, damaged or not compressed as its name states, or the copy does
        not fit on the disk.
    """
    base, compression = split_compression(path.name)

    def write(target: Path) -> None:
        try:
            if compression == "xz":
                with lzma.open(path) as stream:
                    copy_stream(stream, target, name=name)
            else:
                with pa.input_stream(str(path), compression=compression) as stream:
                    copy_stream(stream, target, name=name)
        except (*DECOMPRESSION_ERRORS, OSError, pa.ArrowException) as error:
            if isinstance(error, OSError) and error.strerror:
                raise
            raise ChurnkitError(
                f"{name} cannot be decompressed: it is truncated, damaged, or not compressed with "
                f"{compression}; export it again"
            ) from None

    return spool_file(("decompress", *key), base, write)
