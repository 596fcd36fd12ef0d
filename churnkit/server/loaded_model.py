"""A model in service, with everything that is built from it once and swapped together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from churnkit.bundle.decision_records import RecordBuilder
from churnkit.server.observability.input_warnings import InputMonitor

if TYPE_CHECKING:
    from typing import Any

    from churnkit.bundle import RetentionModel
    from churnkit.decisions import ContactLimit
    from churnkit.server.observability.metrics import Metrics

__all__ = ["LoadedModel", "model_identity"]

_VERSION_HEADER = "x-model-version"


class LoadedModel:
    """A model, ready to answer requests."""

    def __init__(self, model: RetentionModel, metrics: Metrics) -> None:
        model.warm_up()
        self.model = model
        self.metrics = metrics
        self.record_builder: RecordBuilder = RecordBuilder(model)
        self.monitor: InputMonitor = InputMonitor(model, metrics)
        self.entity: str = model.contract.entity.name
        self.version: str = model.version or ""
        self.registered_version = model.registered_version
        self.identity_json: msgspec.Raw = msgspec.Raw(msgspec.json.encode(model_identity(model)))
        contents = model.contents
        self.ranks: bool = contents.ranker is not None
        self.recommends: bool = self.ranks or contents.catalogue is not None
        self.needs_context: bool = model.needs_context
        contact = None if contents.rules is None else contents.rules.contact
        self.contact_days: float = 0.0 if contact is None else contact.days
        self.contact_limits: tuple[ContactLimit, ...] = (
            () if contact is None else tuple(contact.limits)
        )

    @property
    def registered_version(self) -> str | None:
        """Version in the registry; answers state it in the header ``x-model-version``."""
        return self.headers.get(_VERSION_HEADER)

    @registered_version.setter
    def registered_version(self, version: str | None) -> None:
        self.headers: dict[str, str] = {} if version is None else {_VERSION_HEADER: version}


def model_identity(model: RetentionModel) -> dict[str, Any]:
    """Return name, version and digest of a model."""
    return {"name": model.name, "version": model.version, "digest": model.digest}
