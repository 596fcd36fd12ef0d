"""A finding of monitoring; each code has a page in ``docs/findings/``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from churnkit.core.result import Result

__all__ = ["Finding"]


@dataclass(frozen=True, slots=True)
class Finding(Result):
    """One finding.

    Parameters
    ----------
    code
        ``CK201 ...``; see its page.
    subject
        The column or metric.
    message
        Description in a sentence, without any customer's value.
    alarm
        True if the model must not be used before someone has checked.
    """

    code: str
    subject: str
    message: str
    alarm: bool

    def __str__(self) -> str:
        return f"{self.code} '{self.subject}' {self.message}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON-able values."""
        return asdict(self)
