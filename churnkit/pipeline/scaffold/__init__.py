"""Create a project from data files: schema, recipe and service, inferred and marked for review."""

from __future__ import annotations

from churnkit.pipeline.scaffold.project import CreatedProject, create_project

__all__ = ["CreatedProject", "create_project"]
