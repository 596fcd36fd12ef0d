"""Results of forms on many customers: a form sent again is answered from its record."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select

from churnkit.core.time import to_microseconds
from churnkit.core.translation import _
from churnkit.journal.worklist.records import VersionConflictError
from churnkit.journal.worklist.schema import forms
from churnkit.journal.worklist.worklist import entry_key

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from churnkit.journal.worklist.worklist import Worklist

__all__ = ["Forms"]


class Forms:
    """Recorded forms in the worklist's database.

    Parameters
    ----------
    worklist
        The worklist.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from churnkit.journal import Journal
    >>> from churnkit.journal.worklist.worklist import Worklist
    >>> journal = Journal.open("sqlite://")
    >>> forms, now = Forms(Worklist(journal)), datetime(2026, 11, 5, tzinfo=UTC)
    >>> forms.once("f1", ["approve"], lambda: {"count": 3}, at=now)
    {'count': 3}
    >>> forms.once("f1", ["approve"], lambda: {"count": 99}, at=now)
    {'count': 3}
    >>> journal.close()
    """

    def __init__(self, worklist: Worklist) -> None:
        self._database = worklist.database

    def once(
        self,
        form_id: str,
        entries: Sequence[str],
        apply: Callable[[], dict[str, Any]],
        *,
        at: datetime,
    ) -> dict[str, Any]:
        """Apply a form and record its result, or return the result of the first time.

        Parameters
        ----------
        form_id
            Unique id of the form.
        entries
            What the form asks for.
        apply
            Function that changes the journal and returns the result, as JSON-able data. Its reads
            and writes are one transaction with the record; an error undoes them.
        at
            Time.

        Returns
        -------
        dict
            The recorded result.

        Raises
        ------
        VersionConflictError
            If the form was recorded with other entries.
        """
        key, digest = entry_key(form_id), entry_key(form_id, *entries)
        with self._database.joining() as connection:
            query = select(forms.c.digest, forms.c.result).where(forms.c.key == key)
            recorded = connection.execute(query).first()
            if recorded is None:
                result = apply()
                row = {"digest": digest, "at": to_microseconds(at), "result": json.dumps(result)}
                connection.execute(insert(forms).values(key=key, **row))
                return result
        if recorded.digest != digest:
            raise VersionConflictError(
                _("this form was recorded with other entries: reload the page and fill it in again")
            )
        stored: dict[str, Any] = json.loads(recorded.result)
        return stored
