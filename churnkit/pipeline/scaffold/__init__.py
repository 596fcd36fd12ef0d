"""A first project from a person's own files: schema, recipe and service, guessed and marked."""

from __future__ import annotations

from churnkit.pipeline.scaffold.project import DraftedProject, draft_project

__all__ = ["DraftedProject", "draft_project"]
