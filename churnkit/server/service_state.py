"""State that the routes of an application share and reloading replaces."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from churnkit.server.http.idempotency import IdempotentReplies

if TYPE_CHECKING:
    from churnkit.server.decision_log.recorder import Recorder
    from churnkit.server.loaded_model import LoadedModel
    from churnkit.server.observability.metrics import Metrics
    from churnkit.server.reload.bandit_state import BanditReloader
    from churnkit.server.reload.shadow_model import ShadowModel
    from churnkit.server.reload.shadow_prices import PriceReloader
    from churnkit.server.settings import Settings

__all__ = ["ServiceState"]


@dataclass(slots=True, eq=False)
class ServiceState:
    """The state of an application.

    Parameters
    ----------
    settings
        Limits, keys and paths.
    metrics
        Counters of this process.
    loaded
        The model that answers.
    bandit
        The newest bandit state.
    prices
        The shadow prices of the newest plan; None to decide on each request alone.
    shadow
        The challenger that scores silently, if any.
    recorder
        Writes decisions to the journal; None without one.
    replies
        Replies to requests with an idempotency key.
    """

    settings: Settings
    metrics: Metrics
    loaded: LoadedModel
    bandit: BanditReloader
    prices: PriceReloader | None = None
    shadow: ShadowModel | None = None
    recorder: Recorder | None = None
    replies: IdempotentReplies = field(default_factory=IdempotentReplies)

    def swap(self, loaded: LoadedModel) -> None:
        """Let another model answer from the next request on."""
        self.loaded = loaded
        self.metrics.forget("churnkit_model")
        self.metrics.show("churnkit_model", loaded.model.name, loaded.version, value=1.0)
