"""Small synthetic businesses with tables in the shapes of public data sets."""

# ruff: noqa: PERF401 - a row after another reads better here

from __future__ import annotations

import csv
import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

START = dt.datetime(2022, 1, 3)  # noqa: DTZ001
DAYS = 720


@dataclass(frozen=True)
class Life:
    """A customer's first day, last day (None while a customer) and activity per day."""

    number: int
    begin: int
    end: int | None
    rate: float

    def active_days(self, rng: np.random.Generator, until: int = DAYS) -> list[int]:
        """Draw the days with activity, fewer in the last weeks before the end."""
        last = until if self.end is None else min(self.end, until)
        days = np.flatnonzero(rng.random(max(last - self.begin, 0)) < self.rate) + self.begin
        if self.end is None:
            return [int(day) for day in days]
        return [int(day) for day in days if rng.random() < min(1.0, (self.end - day + 5) / 60)]


def lives(rng: np.random.Generator, customers: int = 300) -> list[Life]:
    """Draw customers; those with little activity leave earlier."""
    drawn = []
    for number in range(customers):
        begin = int(rng.integers(0, DAYS // 2))
        rate = float(rng.choice([0.02, 0.06, 0.15]))
        stay = int(rng.exponential(2_500 * (rate + 0.05))) + 20
        end = begin + stay if begin + stay < DAYS else None
        drawn.append(Life(number, begin, end, rate))
    return drawn


def moment(day: int, rng: np.random.Generator) -> dt.datetime:
    return START + dt.timedelta(days=int(day), seconds=int(rng.integers(8 * 3600, 22 * 3600)))


def write(folder: Path, name: str, rows: Iterable[dict[str, Any]], *, delimiter: str = ",") -> None:
    listed = list(rows)
    with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(listed[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(listed)


def streaming(folder: Path, rng: np.random.Generator) -> None:
    """Members, transactions with expiry dates, daily logs; ids are hashes, dates YYYYMMDD."""
    people = lives(rng)
    ids = {one.number: f"{rng.bytes(16).hex()}=" for one in people}
    day = lambda number: f"{START + dt.timedelta(days=int(number)):%Y%m%d}"  # noqa: E731
    write(
        folder,
        "members",
        (
            {
                "msno": ids[one.number], "city": int(rng.integers(1, 20)), "bd": int(rng.integers(15, 70)),
                "gender": str(rng.choice(["male", "female", ""])), "registered_via": int(rng.choice([3, 4, 7, 9])),
                "registration_init_time": day(one.begin),
            }
            for one in people
        ),
    )  # fmt: skip
    payments, logs = [], []
    for one in people:
        last = DAYS if one.end is None else one.end
        for paid in range(one.begin, last, 30):
            payments.append(
                {
                    "msno": ids[one.number], "payment_method_id": int(rng.choice([36, 38, 40, 41])),
                    "payment_plan_days": 30, "plan_list_price": 149, "actual_amount_paid": int(rng.choice([149, 99])),
                    "is_auto_renew": int(rng.random() < 0.8), "transaction_date": day(paid),
                    "membership_expire_date": day(paid + 30), "is_cancel": 0,
                }
            )  # fmt: skip
        for active in one.active_days(rng):
            logs.append(
                {"msno": ids[one.number], "date": day(active), "num_100": int(rng.integers(1, 40)),
                 "num_unq": int(rng.integers(1, 30)), "total_secs": round(float(rng.exponential(4000)), 3)}
            )  # fmt: skip
    write(folder, "transactions", payments)
    write(folder, "user_logs", logs)


def retail(folder: Path, rng: np.random.Generator) -> None:
    """Invoice lines with returns; American dates, ids with a fraction, lines without a customer."""
    rows = []
    invoice = 536_365
    for one in lives(rng, 260):
        for day in one.active_days(rng):
            invoice += 1
            at = moment(day, rng)
            returned = rng.random() < 0.06
            for _ in range(int(rng.integers(1, 5))):
                rows.append(
                    {
                        "InvoiceNo": f"{'C' if returned else ''}{invoice}", "StockCode": str(rng.choice(["85123A", "71053", "22086"])),
                        "Description": "T-LIGHT, HOLDER", "Quantity": int(rng.integers(1, 12)) * (-1 if returned else 1),
                        "InvoiceDate": f"{at.month}/{at.day}/{at.year} {at.hour}:{at.minute:02d}",
                        "UnitPrice": round(float(rng.gamma(2.0, 1.6)), 2),
                        "CustomerID": "" if rng.random() < 0.1 else f"{12346 + one.number}.0",
                        "Country": str(rng.choice(["United Kingdom", "France", "EIRE"])),
                    }
                )  # fmt: skip
    write(folder, "online_retail", rows)


def marketplace(folder: Path, rng: np.random.Generator) -> None:
    """Orders, whose customer has an id per order; items, payments and reviews know only the order."""
    customers, orders, items, payments, reviews = [], [], [], [], []
    for one in lives(rng):
        person = rng.bytes(16).hex()
        for day in one.active_days(rng):
            order, buyer, at = rng.bytes(16).hex(), rng.bytes(16).hex(), moment(day, rng)
            customers.append(
                {"customer_id": buyer, "customer_unique_id": person, "customer_zip_code_prefix": int(rng.integers(1000, 9999)),
                 "customer_city": "sao paulo", "customer_state": str(rng.choice(["SP", "RJ", "MG"]))}
            )  # fmt: skip
            orders.append(
                {"order_id": order, "customer_id": buyer, "order_status": "delivered", "order_purchase_timestamp": at,
                 "order_approved_at": at + dt.timedelta(minutes=20),
                 "order_delivered_customer_date": at + dt.timedelta(days=9),
                 "order_estimated_delivery_date": at.date() + dt.timedelta(days=20)}
            )  # fmt: skip
            count = int(rng.integers(1, 4))
            items += [
                {"order_id": order, "order_item_id": item + 1, "product_id": rng.bytes(4).hex(),
                 "price": round(float(rng.gamma(2.0, 40.0)), 2), "freight_value": round(float(rng.gamma(2.0, 8.0)), 2)}
                for item in range(count)
            ]  # fmt: skip
            payments.append(
                {"order_id": order, "payment_sequential": 1, "payment_type": str(rng.choice(["credit_card", "boleto"])),
                 "payment_installments": int(rng.integers(1, 10)), "payment_value": round(float(rng.gamma(2.0, 60.0)), 2)}
            )  # fmt: skip
            reviews.append(
                {"review_id": rng.bytes(16).hex(), "order_id": order, "review_score": int(rng.integers(1, 6)),
                 "review_creation_date": at.date() + dt.timedelta(days=12)}
            )  # fmt: skip
    for name, rows in (("customers", customers), ("orders", orders), ("order_items", items),
                       ("order_payments", payments), ("order_reviews", reviews)):  # fmt: skip
        write(folder, f"olist_{name}_dataset", rows)


def grocery(folder: Path, rng: np.random.Generator) -> None:
    """Orders and their products; orders have a date, products only the order."""
    orders: list[dict[str, Any]] = []
    products: list[dict[str, Any]] = []
    for one in lives(rng, 260):
        for number, day in enumerate(one.active_days(rng), start=1):
            order = len(orders) + 1
            orders.append(
                {"order_id": order, "user_id": one.number + 1, "order_number": number,
                 "order_date": f"{START + dt.timedelta(days=int(day)):%Y-%m-%d}", "order_hour_of_day": int(rng.integers(7, 22))}
            )  # fmt: skip
            products += [
                {"order_id": order, "product_id": int(rng.integers(1, 200)), "add_to_cart_order": position + 1,
                 "reordered": int(number > 1 and rng.random() < 0.6)}
                for position in range(int(rng.integers(1, 6)))
            ]  # fmt: skip
    write(folder, "orders", orders)
    write(folder, "order_products", products)


def software(folder: Path, rng: np.random.Generator) -> None:
    """Users, subscriptions with an end, events, tickets, and payments that know the subscription."""
    people = lives(rng)
    users, subscriptions = [], []
    events: list[dict[str, Any]] = []
    tickets: list[dict[str, Any]] = []
    payments: list[dict[str, Any]] = []
    for one in people:
        key, began = one.number + 1, moment(one.begin, rng)
        end = "" if one.end is None else moment(one.end, rng)
        price = int(rng.choice([29, 99]))
        users.append(
            {
                "id": key,
                "email": f"u{key}@example.com",
                "created_at": began,
                "country": str(rng.choice(["CH", "DE", "AT"])),
            }
        )
        subscriptions.append({"id": 5_000 + key, "user_id": key, "plan": "pro" if price == 99 else "basic", "mrr": price,
                              "started_at": began, "ended_at": end, "cancel_reason": "too expensive" if end else ""})  # fmt: skip
        events += [{"event_id": len(events) + i, "uid": key, "event": str(rng.choice(["login", "export", "invite"])), "occurred_at": moment(day, rng)}
                   for i, day in enumerate(one.active_days(rng))]  # fmt: skip
        last = DAYS if one.end is None else one.end
        payments += [{"payment_id": len(payments) + i, "subscription_id": 5_000 + key, "amount": f"${price}.00", "paid_at": moment(day, rng)}
                     for i, day in enumerate(range(one.begin, last, 30))]  # fmt: skip
        for day in range(one.begin + 10, last, 120):
            opened = moment(day, rng)
            tickets.append({"ticket_id": len(tickets), "customer": key, "opened_at": opened, "closed_at": opened + dt.timedelta(days=3),
                            "priority": str(rng.choice(["low", "high"])), "satisfaction": int(rng.integers(1, 6))})  # fmt: skip
    for name, rows in (
        ("users", users),
        ("subscriptions", subscriptions),
        ("events", events),
        ("tickets", tickets),
        ("payments", payments),
    ):
        write(folder, name, rows)


def platform(folder: Path, rng: np.random.Generator) -> None:
    """Accounts, subscriptions, usage that knows the subscription, tickets and churn events."""
    accounts, subscriptions, usage, tickets, churned = [], [], [], [], []
    for one in lives(rng):
        account, subscription = f"A-{rng.bytes(3).hex()}", f"S-{rng.bytes(3).hex()}"
        accounts.append({"account_id": account, "account_name": f"Company_{one.number}", "industry": str(rng.choice(["EdTech", "FinTech"])),
                         "signup_date": moment(one.begin, rng).date(), "seats": int(rng.integers(1, 50)), "churn_flag": one.end is not None})  # fmt: skip
        subscriptions.append({"subscription_id": subscription, "account_id": account, "start_date": moment(one.begin, rng).date(), "end_date": "",
                              "plan_tier": str(rng.choice(["Basic", "Pro"])), "mrr_amount": int(rng.integers(20, 900)), "auto_renew_flag": True})  # fmt: skip
        usage += [{"usage_id": f"U-{rng.bytes(4).hex()}", "subscription_id": subscription, "usage_date": moment(day, rng).date(),
                   "feature_name": f"feature_{int(rng.integers(1, 6))}", "usage_count": int(rng.integers(1, 20)), "error_count": int(rng.integers(0, 3))}
                  for day in one.active_days(rng)]  # fmt: skip
        for day in range(one.begin + 20, DAYS if one.end is None else one.end, 150):
            at = moment(day, rng)
            tickets.append({"ticket_id": f"T-{rng.bytes(3).hex()}", "account_id": account, "submitted_at": at.date(), "closed_at": at + dt.timedelta(hours=40),
                            "priority": str(rng.choice(["low", "urgent"]))})  # fmt: skip
        if one.end is not None:
            churned.append({"churn_event_id": f"C-{rng.bytes(3).hex()}", "account_id": account, "churn_date": moment(one.end, rng).date(),
                            "reason_code": str(rng.choice(["budget", "features"]))})  # fmt: skip
    for name, rows in (("accounts", accounts), ("subscriptions", subscriptions), ("feature_usage", usage),
                       ("support_tickets", tickets), ("churn_events", churned)):  # fmt: skip
        write(folder, f"ravenstack_{name}", rows)


def app(folder: Path, rng: np.random.Generator) -> None:
    """One log of an app: times in milliseconds since 1970."""
    rows = []
    for one in lives(rng):
        key = rng.bytes(8).hex()
        for day in one.active_days(rng):
            at = moment(day, rng).replace(tzinfo=dt.UTC)
            for event in rng.choice(["open", "search", "play"], size=int(rng.integers(1, 4))):
                rows.append({"user_pseudo_id": key, "event_name": str(event), "event_timestamp": int(at.timestamp() * 1000) + int(rng.integers(0, 999)),
                             "platform": str(rng.choice(["IOS", "ANDROID"]))})  # fmt: skip
    write(folder, "app_events", rows)


def gym(folder: Path, rng: np.random.Generator) -> None:
    """Visits and memberships of a German gym: semicolons, dd.mm.yyyy, decimal commas."""
    visits, memberships = [], []
    for one in lives(rng, 260):
        key = f"M{one.number:05d}"
        begin, end = (
            START + dt.timedelta(days=one.begin),
            "" if one.end is None else f"{START + dt.timedelta(days=one.end):%d.%m.%Y}",
        )
        memberships.append({"member_no": key, "membership_type": str(rng.choice(["Basis", "Premium"])), "monthly_fee": str(rng.choice(["29,90", "49,90"])),
                            "start_date": f"{begin:%d.%m.%Y}", "end_date": end})  # fmt: skip
        visits += [
            {
                "member_no": key,
                "checkin": f"{moment(day, rng):%d.%m.%Y %H:%M}",
                "minutes": int(rng.integers(20, 120)),
            }
            for day in one.active_days(rng)
        ]
    write(folder, "visits", visits, delimiter=";")
    write(folder, "memberships", memberships, delimiter=";")


def telecom(folder: Path, rng: np.random.Generator) -> None:
    """Call records by phone number, and customers with the outcome of the month after."""
    calls, customers = [], []
    for one in lives(rng):
        phone = f"4179{1_000_000 + one.number * 37}"
        risk = 1.0 / (1.0 + np.exp(30.0 * one.rate - 1.5))
        customers.append({"customer_id": f"K-{one.number:04d}", "msisdn": phone, "activated_on": f"{START + dt.timedelta(days=one.begin):%Y-%m-%d}",
                          "tariff": str(rng.choice(["S", "M", "L"])), "churned": str(rng.choice(["yes", "no"], p=[risk, 1 - risk]))})  # fmt: skip
        stays = Life(one.number, one.begin, None, one.rate)
        for day in stays.active_days(rng):
            at = moment(day, rng)
            calls.append({"caller": phone, "call_start": at, "call_end": at + dt.timedelta(seconds=int(rng.exponential(180)) + 1),
                          "cost": f"CHF {float(rng.gamma(1.0, 0.6)):.2f}", "kind": str(rng.choice(["voice", "sms", "data"]))})  # fmt: skip
    write(folder, "cdr", calls)
    write(folder, "customers", customers)


def read(folder: Path, name: str) -> list[dict[str, str]]:
    """Read a written table."""
    with (folder / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        delimiter = ";" if ";" in file.readline() else ","
        file.seek(0)
        return list(csv.DictReader(file, delimiter=delimiter))


@dataclass(frozen=True)
class Business:
    """A business with the right reading of its tables.

    Parameters
    ----------
    make
        Writes its tables.
    customer, label, table
        Column of the customer in the eligible table, kind of the label, and its table.
    activity
        Table with the customer's own rows that the test counts.
    times
        Column of the time, its format (``ms`` for milliseconds), and column of the end, by table.
    """

    make: Callable[[Path, np.random.Generator], None]
    customer: str
    label: str
    table: str
    activity: str
    times: dict[str, tuple[str, str, str]]

    def moment(self, table: str, text: str) -> dt.datetime:
        """Parse a time of a table."""
        form = self.times[table][1]
        if form == "ms":
            return dt.datetime.fromtimestamp(int(text) / 1000, dt.UTC).replace(tzinfo=None)
        if form == ISO:
            return dt.datetime.fromisoformat(text)
        for pattern in (form, form.split(" ")[0]):
            try:
                return dt.datetime.strptime(text, pattern)  # noqa: DTZ007
            except ValueError:
                continue
        raise ValueError(text)


ISO = "%Y-%m-%d %H:%M:%S"
BUSINESSES = {
    "streaming": Business(
        streaming, "msno", "ContractualChurn", "transactions", "user_logs",
        {"members": ("registration_init_time", "%Y%m%d", ""), "user_logs": ("date", "%Y%m%d", ""),
         "transactions": ("transaction_date", "%Y%m%d", "membership_expire_date")},
    ),
    "retail": Business(
        retail, "CustomerID", "InactivityChurn", "online_retail", "online_retail",
        {"online_retail": ("InvoiceDate", "%m/%d/%Y %H:%M", "")},
    ),
    "marketplace": Business(
        marketplace, "customer_unique_id", "InactivityChurn", "olist_orders_dataset", "",
        {"olist_orders_dataset": ("order_purchase_timestamp", ISO, ""),
         "olist_order_reviews_dataset": ("review_creation_date", ISO, "")},
    ),
    "grocery": Business(
        grocery, "user_id", "InactivityChurn", "orders", "orders", {"orders": ("order_date", ISO, "")}
    ),
    "software": Business(
        software, "user_id", "ContractualChurn", "subscriptions", "",
        {"users": ("created_at", ISO, ""), "subscriptions": ("started_at", ISO, "ended_at"),
         "events": ("occurred_at", ISO, ""), "tickets": ("opened_at", ISO, "closed_at"), "payments": ("paid_at", ISO, "")},
    ),
    "platform": Business(
        platform, "account_id", "EventChurn", "ravenstack_churn_events", "",
        {"ravenstack_accounts": ("signup_date", ISO, ""), "ravenstack_subscriptions": ("start_date", ISO, ""),
         "ravenstack_feature_usage": ("usage_date", ISO, ""), "ravenstack_support_tickets": ("submitted_at", ISO, "closed_at"),
         "ravenstack_churn_events": ("churn_date", ISO, "")},
    ),
    "app": Business(
        app, "user_pseudo_id", "InactivityChurn", "app_events", "app_events", {"app_events": ("event_timestamp", "ms", "")}
    ),
    "gym": Business(
        gym, "member_no", "ContractualChurn", "memberships", "visits",
        {"visits": ("checkin", "%d.%m.%Y %H:%M", ""), "memberships": ("start_date", "%d.%m.%Y", "end_date")},
    ),
    "telecom": Business(
        telecom, "customer_id", "ObservedChurn", "customers", "cdr",
        {"cdr": ("call_start", ISO, ""), "customers": ("activated_on", ISO, "")},
    ),
}  # fmt: skip
