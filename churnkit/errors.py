"""Exceptions.

Messages name the table, column, rule, count and remedy, and contain no customer's value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "BundleError",
    "ChurnkitError",
    "ConnectError",
    "ContractError",
    "DataError",
    "DatasetUnavailableError",
    "JournalError",
    "MissingExtraError",
    "ModelNotFoundError",
    "QuotaError",
    "RecipeError",
]


class ChurnkitError(Exception):
    """Base class; the command line prints the message and exits with 1."""


class ContractError(ChurnkitError):
    """A schema cannot be compiled, or a stored contract cannot be read."""


class RecipeError(ChurnkitError):
    """A recipe is missing, ambiguous or invalid."""


class BundleError(ChurnkitError):
    """A saved model is damaged, invalid, or of a newer format."""


class ModelNotFoundError(ChurnkitError):
    """No model has the given name."""


class JournalError(ChurnkitError):
    """The journal rejects an entry, or cannot be opened or read."""


class ConnectError(ChurnkitError):
    """A source or destination cannot be reached, rejects a request, or is declared wrongly."""


class QuotaError(ConnectError):
    """The share of a provider's daily quota is used; a later run continues."""


class DatasetUnavailableError(ChurnkitError):
    """A public data set is neither in the data folder nor available for download."""


class MissingExtraError(ChurnkitError):
    """Packages of an optional extra are missing.

    Parameters
    ----------
    extra
        Name of the optional extra, such as ``"serve"``.
    package
        The package whose import failed.

    Examples
    --------
    >>> str(MissingExtraError("serve", "bentoml")).partition(": ")[0]
    "bentoml is not installed or cannot be imported (extra 'serve'). Install it with"
    """

    def __init__(self, extra: str, package: str) -> None:
        # It reads the metadata of packages, whose import takes as long as all of this package's.
        from churnkit._extras import pip_command

        super().__init__(
            f"{package} is not installed or cannot be imported (extra '{extra}'). Install it "
            f"with: {pip_command(extra, package=package)}"
        )
        self.extra = extra
        self.package = package


class _Violation(Protocol):
    """One violated rule of one column."""

    def __str__(self) -> str: ...


class DataError(ChurnkitError):
    """A table violates its contract.

    Parameters
    ----------
    table
        Name of the table: a file name or the contract's name.
    violations
        The violated rules, one record per column and rule; or one sentence.
    """

    def __init__(self, table: str, violations: str | Iterable[_Violation]) -> None:
        self.table = table
        self.violations: tuple[str] | tuple[_Violation, ...] = (
            (violations,) if isinstance(violations, str) else tuple(violations)
        )
        lines = [f"  - {violation}" for violation in self.violations[:20]]
        if len(self.violations) > len(lines):
            lines.append(f"  - and {len(self.violations) - len(lines)} more rules")
        super().__init__("\n".join([f"{table} does not fit its contract:", *lines]))
