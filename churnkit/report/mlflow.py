"""Log a report to MLflow."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from churnkit.bundle.registry.quiet import quiet_mlflow

if TYPE_CHECKING:
    from churnkit.core.project import Project
    from churnkit.report.report import Report

__all__ = ["log_report"]


def log_report(report: Report, project: Project) -> str:
    """Log the page, its data and its headline figures as a run.

    Parameters
    ----------
    report
        The report.
    project
        Project whose MLflow store is used.

    Returns
    -------
    str
        Id of the run.
    """
    import mlflow

    from churnkit.bundle.registry.mlflow import Registry

    previous = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None
    with quiet_mlflow():
        registry = Registry(project)
        mlflow.set_tracking_uri(registry.uri)
        try:
            name = report.model[0] if report.model else "report"
            experiment = registry.client.get_experiment_by_name(name)
            if experiment is None:
                location = None
                if registry.uri.startswith("sqlite:"):
                    project.make_store()
                    location = project.artifacts.as_uri()
                experiment_id = registry.client.create_experiment(name, artifact_location=location)
            else:
                experiment_id = experiment.experiment_id
            with mlflow.start_run(
                experiment_id=experiment_id, run_name=f"report {report.as_of}"
            ) as run:
                mlflow.set_tags(
                    {
                        "churnkit.kind": "report",
                        "churnkit.as_of": report.as_of,
                        "churnkit.bundle": report.model[1] if report.model else "",
                    }
                )
                mlflow.log_metrics(report.headline)
                mlflow.log_text(report.html, "report.html")
                mlflow.log_text(json.dumps(report.summary, indent=1), "report.json")
        finally:
            mlflow.set_tracking_uri(previous)
    return str(run.info.run_id)
