"""The command line: ``churnkit``."""

from churnkit.cli.main import main

__all__ = ["main"]
