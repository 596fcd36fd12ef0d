"""Clocks, servers and pulls in the process."""

from __future__ import annotations

import os
from random import Random
from typing import TYPE_CHECKING

import pytest

from churnkit.connect import pull
from churnkit.core.project import Project
from tests.connect.servers.asgi import AsgiTransport
from tests.connect.servers.faults import Clock

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "secret-canary"  # noqa: S105


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(autouse=True)
def secret(monkeypatch):
    monkeypatch.setenv("PROVIDER_KEY", SECRET)


@pytest.fixture(autouse=True)
def no_flush(monkeypatch):
    """Leave the disk alone: processes are killed here, not machines."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture
def run_pull(tmp_path):
    """Return a function that pulls a source named ``s`` into a folder."""

    def run(source, server, clock, folder: Path | None = None, **options):
        home = folder or tmp_path
        return pull(
            {"s": source},
            home / "data",
            project=Project(home),
            transport=AsgiTransport(server, clock),
            clock=clock,
            jitter=Random(0),  # noqa: S311
            **options,
        )

    return run
