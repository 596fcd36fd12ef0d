"""Decisions of a period: what a journal cannot take."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from churnkit.batch.jobs.decide import DecisionPeriod, decide_period
from churnkit.contracts import Column
from churnkit.errors import RecipeError
from churnkit.journal import Journal


def test_row_numbers_are_no_customers_of_a_journal(tmp_path):
    rows = Column("row", "integer", ("entity",), numbered=True)
    encoded: Any = None
    model: Any = SimpleNamespace(name="m", catalogue=None, contract=SimpleNamespace(entity=rows))
    with Journal.open(f"sqlite:///{tmp_path / 'journal.db'}") as journal:
        period = DecisionPeriod(date(2026, 11, 5), journal=journal)
        with pytest.raises(RecipeError, match="column 'row' holds row numbers"):
            decide_period(model, encoded, np.zeros(1), ["0"], budget=None, period=period)
        assert len(journal.decisions()) == 0
