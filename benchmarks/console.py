"""Pages of the console on a list of 1,000,000 customers: search, filter, sort.

``python -m benchmarks.console`` writes ``results/console.json`` and its table in ``RESULTS.md``. Each
request is answered several times in one process, without a network; the table has the median of its
CPU time and of its wall time.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import resource
import statistics
import tempfile
import time
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from benchmarks.publish import machine, publish
from benchmarks.report import write_model

CUSTOMERS = 1_000_000
DAY = date(2026, 11, 5)
REQUESTS = {
    "the list, by at-risk revenue": "/",
    "its last page": "/?page=999999",
    "search by an id": "/?q=C0000123x7",
    "search that matches a third": "/?q=c00001",
    "search that matches nobody": "/?q=nobody",
    "filter by churn risk and revenue": "/?risk_min=20&risk_max=60&value_min=50",
    "filter by plan and action": "/?f.plan=Team&action=call",
    "filter by owner": "/?owner=Owner+7",
    "filter by last contact": "/?contact=30",
    "sort by churn risk": "/?sort=risk",
    "sort by customer": "/?sort=customer",
    "sort by owner": "/?sort=owner",
    "sort by last contact, reversed": "/?sort=contact&order=desc",
    "search, filters and sort together": "/?q=c0000&f.plan=Team&risk_min=10&sort=gain",
    "accounts, by at-risk revenue": "/accounts",
    "the first customer": "",
}


def open_console(folder: Path) -> Any:
    """Return the console of the customers in a folder, with owners, as an ASGI application."""
    from churnkit.bundle import load
    from churnkit.console import ConsoleApp, read_customer_list
    from churnkit.console.approvals import Approvals
    from churnkit.console.auth import SessionAuth
    from churnkit.console.customer_history import History
    from churnkit.core.io.table_sources import read_table
    from churnkit.journal import Journal

    model = load(str(folder / "bundle"))
    customers = read_customer_list(model, read_table(folder / "customers.parquet"), day=DAY)
    journal = Journal.open(f"sqlite:///{folder / 'journal.db'}")
    console = ConsoleApp(
        customers,
        Approvals(journal, customers),
        History(model, {}, DAY),
        auth=SessionAuth(None),
        clock=lambda: datetime(2026, 11, 5, 9, tzinfo=UTC),
        owners={name: f"Owner {row % 200}" for row, name in enumerate(customers.customers)},
    )
    console.warm(report=False)
    return console.app()


async def answer(app: Any, address: str) -> bytes:
    """Send a request to the application; return the page."""
    path, _mark, query = address.partition("?")
    scope = {
        "type": "http", "http_version": "1.1", "method": "GET", "scheme": "http", "path": path,
        "raw_path": path.encode(), "root_path": "", "query_string": query.encode(),
        "headers": [(b"host", b"127.0.0.1")], "client": ("127.0.0.1", 5), "server": ("127.0.0.1", 80),
    }  # fmt: skip
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    if sent[0]["status"] != 200:
        raise SystemExit(f"{address}: status {sent[0]['status']}")
    return b"".join(part.get("body", b"") for part in sent)


def first_customer(app: Any) -> str:
    """Return the address of the page of the list's first customer."""
    found = re.search(
        rb'<th scope="row"><a href="(/customers/[^"]+)"', asyncio.run(answer(app, "/"))
    )
    if found is None:
        raise SystemExit("the list has no customer")
    return found[1].decode()


def measure(app: Any, address: str, repeats: int) -> dict[str, float]:
    """Return the first answer's wall time, and the medians of the others, in milliseconds."""

    async def once() -> tuple[float, float]:
        wall, cpu = time.perf_counter(), time.process_time()
        await answer(app, address)
        return 1e3 * (time.perf_counter() - wall), 1e3 * (time.process_time() - cpu)

    async def several() -> list[tuple[float, float]]:
        return [await once() for _ in range(repeats + 1)]

    first, *others = asyncio.run(several())
    walls, cpus = zip(*others, strict=True)
    return {
        "first_wall_ms": first[0],
        "wall_ms": statistics.median(walls),
        "cpu_ms": statistics.median(cpus),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--customers", type=int, default=CUSTOMERS)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--folder", type=Path, help="keep model and customers here for a next run")
    parser.add_argument("--dry", action="store_true", help="measure without writing results")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = options.folder or Path(name)
        folder.mkdir(exist_ok=True)
        if not (folder / "customers.parquet").exists():
            write_model(folder, options.customers)
        started = time.process_time()
        app = open_console(folder)
        opened = time.process_time() - started
        measured = {
            title: measure(app, address or first_customer(app), options.repeats)
            for title, address in REQUESTS.items()
        }
    results = {
        "customers": options.customers,
        "repeats": options.repeats,
        "open_cpu_seconds": opened,
        "peak_gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
        "requests": measured,
        "machine": machine("numpy", "pyarrow", "starlette", "jinja2"),
    }
    print(json.dumps(results, indent=1))
    if not options.dry:
        publish("console", results, section(results))


def section(results: dict[str, Any]) -> str:
    """Return the results as Markdown."""
    lines = "\n".join(
        f"| {title} | {part['cpu_ms']:.0f} ms | {part['wall_ms']:.0f} ms | {part['first_wall_ms']:.0f} ms |"
        for title, part in results["requests"].items()
    )
    return f"""## Console on a large list

`python -m benchmarks.console`: pages of {results["customers"]:,} customers with 200 owners, rendered in one process;
the medians of {results["repeats"]} answers after the first, which may sort the list by a changed column. Before the
first request the customers are scored, planned and indexed in {results["open_cpu_seconds"]:.0f} CPU-s and
{results["peak_gigabytes"]:.1f} GB.

| Request | CPU time | Wall time | First answer, wall time |
|---|---|---|---|
{lines}
"""


if __name__ == "__main__":
    main()
