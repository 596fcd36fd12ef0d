"""What a look at new rows may find; each code has a page in ``docs/findings/``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["Finding"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found.

    Parameters
    ----------
    code
        ``CK201 ...``; see its page.
    where
        The column or figure.
    says
        What was found, in a sentence, without any customer's value.
    alarm
        Whether somebody must look before the model is used on.
    """

    code: str
    where: str
    says: str
    alarm: bool

    def __str__(self) -> str:
        return f"{self.code} '{self.where}' {self.says}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {"code": self.code, "where": self.where, "says": self.says, "alarm": self.alarm}
