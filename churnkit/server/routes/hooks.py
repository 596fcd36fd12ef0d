"""``/v1/hooks/NAME``: outcomes from signed webhooks of other programs."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from churnkit.connect.delivery.webhook_signatures import SignatureError
from churnkit.connect.sources import load_hooks
from churnkit.connect.webhooks import read_outcome
from churnkit.errors import ConnectError
from churnkit.server.http.problem_details import Problem
from churnkit.server.http.route import Reply, Request

if TYPE_CHECKING:
    from churnkit.connect.webhooks import Hook
    from churnkit.server.service_state import ServiceState

__all__ = ["HookHandler", "hook_handlers"]


class HookHandler:
    """``/v1/hooks/NAME``: answered once the outcome is in the journal.

    Parameters
    ----------
    state
        State of the service.
    name, hook
        Name of the hook, and the hook.
    """

    def __init__(self, state: ServiceState, name: str, hook: Hook) -> None:
        self._state, self._name, self._hook = state, name, hook
        # Once: a command that prints a secret would block other requests.
        self._secrets = hook.resolve()

    async def __call__(self, request: Request) -> Reply:
        """Answer a request."""
        recorder = self._state.recorder
        if recorder is None:
            detail = "the service has no journal: start it with CHURNKIT_JOURNAL"
            raise Problem(404, "no-journal", detail)
        body = await request.body(self._state.settings.max_body_bytes)
        headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in request.headers.items()}
        try:
            outcome = read_outcome(
                self._name,
                self._hook,
                headers,
                body,
                now=datetime.now(UTC),
                secrets=self._secrets,
            )
        except SignatureError as error:
            raise Problem(401, "signature", str(error)) from None
        except ConnectError as error:
            raise Problem(422, "hook", str(error)) from None
        if outcome is None:
            return Reply(msgspec.json.encode({"written": 0, "duplicates": 0}))
        recorded = await recorder.record_outcomes([outcome])
        counts = {"written": recorded.written, "duplicates": recorded.duplicates}
        return Reply(msgspec.json.encode(counts))


def hook_handlers(state: ServiceState) -> dict[str, HookHandler]:
    """Return a handler by path for each hook of the file in the setting ``hooks``."""
    file = state.settings.hooks
    if not file:
        return {}
    hooks = load_hooks(Path(file))
    return {f"/v1/hooks/{name}": HookHandler(state, name, hooks[name]) for name in hooks}
