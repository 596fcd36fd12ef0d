"""A first project from a person's own files: schema, recipe and service, guessed and marked."""

from __future__ import annotations

from churnkit.pipeline.scaffold.project import CreatedProject, create_project

__all__ = ["CreatedProject", "create_project"]
