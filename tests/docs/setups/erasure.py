"""Objects for docs/erasure.md: a project and a journal."""

import tempfile
from datetime import UTC, datetime
from pathlib import Path

from churnkit.core.project import Project
from churnkit.journal import Journal


def names(_reader):
    with tempfile.TemporaryDirectory() as folder, Journal.open("sqlite://") as journal:
        yield {
            "project": Project(Path(folder)),
            "journal": journal,
            "now": datetime(2026, 11, 5, tzinfo=UTC),
        }
