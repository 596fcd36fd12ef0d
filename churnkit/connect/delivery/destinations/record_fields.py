"""What destinations share that set fields of the records of customers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from churnkit.connect.delivery.messages import Message, Receipt
    from churnkit.connect.http.client import Client

__all__ = ["FieldSender", "SetsFields"]


class SetsFields:
    """A destination that sets fields of records, by the customer's id."""

    __slots__ = ()

    @property
    def repeatable(self) -> bool:
        """A field that is set again changes nothing."""
        return True

    @property
    def undoable(self) -> bool:
        """Fields can be cleared."""
        return True


class FieldSender(ABC):
    """Set the fields of customers' records from columns of a plan, and clear them.

    Parameters
    ----------
    client
        Connection to the destination.
    columns
        Column of the plan by field.
    """

    def __init__(self, client: Client, columns: Mapping[str, str]) -> None:
        self._client, self._columns = client, columns

    def send(self, messages: Sequence[Message]) -> list[Receipt]:
        """Set the fields of a batch."""
        columns = self._columns.items()
        return self._write(
            messages, [{f: m.value(column) for f, column in columns} for m in messages]
        )

    def undo(self, messages: Sequence[Message]) -> list[Receipt]:
        """Clear the fields of a batch."""
        return self._write(messages, [dict.fromkeys(self._columns) for _ in messages])

    @abstractmethod
    def _write(
        self, messages: Sequence[Message], values: Sequence[Mapping[str, Any]]
    ) -> list[Receipt]:
        """Write values by field for each message; None clears a field."""
