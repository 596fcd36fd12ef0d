"""Sample customers of a CRM and a billing provider."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.connect.servers.hubspot import HubSpotServer
    from tests.connect.servers.stripe import StripeServer


class WallClock:
    """The clock of this machine."""

    def now(self) -> datetime:
        return datetime.now(UTC)


def fill(crm: HubSpotServer, billing: StripeServer, now: datetime, customers: int = 400) -> None:
    """Create customers with charges; those without regular charges leave more often."""
    random = Random(1)  # noqa: S311
    for number in range(customers):
        began = now - timedelta(days=540 - random.randrange(300))
        heavy = random.random() < 0.5
        key = f"cus_{number}"
        crm.put("contacts", str(number + 1), began, stripe_id=key, country=random.choice("AB"))
        billing.put("customers", key, began, currency="eur")
        end = began + timedelta(days=30 * random.randrange(3, 16))
        leaves = random.random() < (0.1 if heavy else 0.9) and end < now
        billing.put(
            "subscriptions",
            f"sub_{number}",
            began,
            customer=key,
            start_date=int(began.timestamp()),
            ended_at=int(end.timestamp()) if leaves else None,
            status="canceled" if leaves else "active",
        )
        for month in range((((end if leaves else now) - began).days) // 30):
            if heavy or random.random() < 0.2:
                billing.put(
                    "charges",
                    f"ch_{number}_{month}",
                    began + timedelta(days=30 * month),
                    customer=key,
                    amount=1000 + 250 * random.randrange(8),
                    paid=True,
                )
