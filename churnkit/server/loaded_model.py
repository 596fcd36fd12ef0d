"""A model that is being served: everything that is made of it once, and swapped together."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import msgspec

from churnkit.server.openapi.document import openapi_document
from churnkit.server.openapi.model_description import describe_model, served_by, version_of
from churnkit.server.routes.prediction_service import Answers

if TYPE_CHECKING:
    from churnkit.bundle import RetentionModel
    from churnkit.server.observability.metrics import Metrics
    from churnkit.server.routes.prediction_service import Answer
    from churnkit.server.settings import Settings

__all__ = ["Served"]

_ENCODE = msgspec.json.Encoder().encode


class Served:
    """One model, ready to answer.

    Parameters
    ----------
    model
        Loaded and verified; its kernels are warmed up here.
    settings
        The limits that its OpenAPI page tells.
    metrics
        Where its scores are counted.
    """

    def __init__(self, model: RetentionModel, settings: Settings, metrics: Metrics) -> None:
        model.warm_up()
        self.model = model
        self.answers = Answers(model, metrics)
        self._settings = settings
        self._by = msgspec.Raw(_ENCODE(served_by(model)))

    @property
    def version(self) -> str:
        """The short form of the model's digest; empty for one that was never saved."""
        return version_of(self.model) or ""

    def envelope(self, answer: Answer) -> bytes:
        """Put an answer into the form that every question is answered in."""
        return _ENCODE({"predictions": answer.rows, "model": self._by, "warnings": answer.warnings})

    @cached_property
    def facts(self) -> bytes:
        """What ``/v1/model`` tells."""
        return _ENCODE(describe_model(self.model))

    @cached_property
    def openapi(self) -> bytes:
        """What ``/openapi.json`` tells."""
        return _ENCODE(openapi_document(self.model, self._settings))
