"""Check that a running service can load a version of its model."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from churnkit.bundle import RetentionModel
    from churnkit.contracts.schema.table_schema import Purpose

__all__ = ["check_service"]

_KEY_VARIABLE = "CHURNKIT_SERVICE_KEY"


def check_service(url: str, model: RetentionModel) -> str:
    """Compare a model with the one that a running service describes at ``/v1/model``.

    Parameters
    ----------
    url
        Base URL of the service.
    model
        The version to promote.

    Returns
    -------
    str
        What the service will do.

    Raises
    ------
    ChurnkitError
        If the service does not answer, or would refuse the version.
    """
    description = _describe(url)
    problems = list(_problems(description, model))
    if problems:
        raise ChurnkitError(
            f"the service at {url} would refuse this version, so nothing was promoted: "
            f"{'; '.join(problems)}"
        )
    if not description.get("reload", {}).get("follows"):
        return f"the service at {url} follows no source: restart it to load this version"
    return f"the service at {url} can load this version"


def _problems(description: Mapping[str, Any], model: RetentionModel) -> Iterator[str]:
    """Return why a service would refuse a model."""
    if description.get("name") != model.name:
        yield f"it serves the model '{description.get('name')}', not '{model.name}'"
        return
    columns = description["columns"]
    entity = model.contract.entity.name
    if entity not in {column["name"] for column in columns if "entity" in column["roles"]}:
        yield f"it identifies customers by another column than {entity}"
    purposes: tuple[Purpose, ...] = ("predict", "recommend")
    new: set[str] = set()
    for purpose in purposes:
        required = {column["name"] for column in columns if column[purpose]}
        if required:
            new |= {column.name for column in model.contract.required(purpose)} - required
    if new:
        names = ", ".join(sorted(new)[:5])
        yield f"clients must send {names}, which they need not today: restart it once they do"
    manifest = model.manifest
    if description.get("reload", {}).get("signed") and (
        manifest is None or manifest.signature is None
    ):
        yield "it loads signed bundles only: sign the version with churnkit models sign"


def _describe(url: str) -> dict[str, Any]:
    from churnkit.connect.http.transport import (
        Request,
        TransportError,
        Urllib3Transport,
        is_encrypted,
    )

    key = os.environ.get(_KEY_VARIABLE)
    if key and not is_encrypted(url):
        raise ChurnkitError(
            f"{url} is not https, so that the key of {_KEY_VARIABLE} would be sent unencrypted"
        )
    headers = {"authorization": f"Bearer {key}"} if key else {}
    try:
        response = Urllib3Transport().send(
            Request("GET", f"{url.rstrip('/')}/v1/model", headers=headers)
        )
    except TransportError as error:
        raise ChurnkitError(
            f"the service at {url} does not answer ({error}): check --service and that it runs"
        ) from None
    if response.status in {401, 403}:
        raise ChurnkitError(
            f"the service at {url} answers {response.status}: set {_KEY_VARIABLE} to one of its keys"
        )
    try:
        description = json.loads(response.body)
        is_service = response.status == 200 and {"name", "columns"} <= set(description)
    except (ValueError, TypeError):
        is_service = False
    if not is_service:
        raise ChurnkitError(
            f"{url} is no churnkit service (status {response.status} at /v1/model): check --service"
        )
    return dict(description)
