"""Serve HubSpot's and Stripe's interfaces on loopback with sample customers.

Run ``python -m tests.connect.servers`` in a clone of the repository; it writes ``sources.py`` into the
working folder and serves until interrupted.
"""

from __future__ import annotations

import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

from tests.connect.servers.asgi import serving
from tests.connect.servers.hubspot import HubSpotServer
from tests.connect.servers.sample import WallClock, fill
from tests.connect.servers.stripe import StripeServer

SOURCES = """from churnkit.connect import Destinations, Env, HubSpot, HubSpotRecords, Sources, Stripe

KEY = Env("PROVIDER_KEY")
CRM, BILLING = {crm!r}, {billing!r}
sources = Sources(
    crm=HubSpot(
        key=KEY,
        base_url=CRM,
        streams=("contacts",),
        constant={{"contacts": ("stripe_id", "country")}},
    ),
    billing=Stripe(key=KEY, base_url=BILLING, streams=("customers", "subscriptions", "charges")),
)
destinations = Destinations(crm=HubSpotRecords(key=KEY, base_url=CRM, id_property="stripe_id"))
"""


def main() -> None:
    """Serve until interrupted."""
    crm, billing = HubSpotServer(WallClock()), StripeServer(WallClock())
    fill(crm, billing, datetime.now(UTC))
    with serving(crm) as crm_url, serving(billing) as billing_url:
        Path("sources.py").write_text(
            SOURCES.format(crm=crm_url, billing=billing_url), encoding="utf-8"
        )
        sys.stdout.write(f"sources.py was written; export PROVIDER_KEY={crm.token}\n")
        sys.stdout.flush()
        threading.Event().wait()


if __name__ == "__main__":
    main()
