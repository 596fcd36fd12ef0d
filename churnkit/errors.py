"""Everything that churnkit refuses, as one tree of exceptions.

A message names the table, column, rule and count, says what to do next, and shows no
customer's value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from churnkit._extras import pip_command

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "BundleError",
    "ChurnkitError",
    "ContractError",
    "DataError",
    "DatasetUnavailableError",
    "JournalError",
    "MissingExtraError",
    "ModelNotFoundError",
    "RecipeError",
]


class ChurnkitError(Exception):
    """The base of all refusals; the command line prints it and exits with 1."""


class ContractError(ChurnkitError):
    """A schema declares something that cannot be compiled, stored or served."""


class RecipeError(ChurnkitError):
    """A recipe is missing, ambiguous, or declares something that cannot be run."""


class BundleError(ChurnkitError):
    """A saved model is damaged, foreign, or of a newer format."""


class ModelNotFoundError(ChurnkitError):
    """No model answers to the name that was given."""


class JournalError(ChurnkitError):
    """The journal refuses what would change its past, or cannot be reached or read."""


class DatasetUnavailableError(ChurnkitError):
    """A public data set is neither in the data folder nor reachable."""


class MissingExtraError(ChurnkitError):
    """A feature needs packages that an extra installs.

    Parameters
    ----------
    extra
        The group of optional dependencies, such as ``"serve"``.
    package
        The package whose import failed.

    Examples
    --------
    >>> str(MissingExtraError("serve", "bentoml")).partition(": ")[0]
    "bentoml is not installed or cannot be imported (extra 'serve'). Install it with"
    """

    def __init__(self, extra: str, package: str) -> None:
        super().__init__(
            f"{package} is not installed or cannot be imported (extra '{extra}'). Install it "
            f"with: {pip_command(extra, package=package)}"
        )
        self.extra = extra
        self.package = package


class _Violation(Protocol):
    """What a data error carries: one broken rule of one column."""

    def __str__(self) -> str: ...


class DataError(ChurnkitError):
    """A table breaks its contract.

    Parameters
    ----------
    table
        The table's name, as its reader knows it: a file's name or the contract's.
    violations
        The violated rules, one record per column and rule; or one sentence.
    """

    def __init__(self, table: str, violations: str | Iterable[_Violation]) -> None:
        self.table = table
        self.violations = (violations,) if isinstance(violations, str) else tuple(violations)
        shown = [f"  - {violation}" for violation in self.violations[:20]]
        if len(self.violations) > len(shown):
            shown.append(f"  - and {len(self.violations) - len(shown)} more rules")
        super().__init__("\n".join([f"{table} does not fit its contract:", *shown]))
