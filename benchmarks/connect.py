"""Pull 100,000 HubSpot contacts with 100 properties, and push as many actions.

Run ``python -m benchmarks.connect``. The server runs in a process of its own and answers from pages
that it has rendered before; the pull and the pushes each run in a process whose CPU time and peak
memory are measured. The push is measured in batches of 100 and, on a hundredth of the customers,
with one record a request.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from benchmarks.publish import machine, publish

KEY = "loopback"
PAGE = 100


def render_pages(contacts: int, properties: int) -> list[bytes]:
    """Render the pages of the list."""
    values = random.Random(0)  # noqa: S311
    names = [f"property_{number:03d}" for number in range(properties)]
    pages = []
    for start in range(0, contacts, PAGE):
        results = []
        for number in range(start, min(start + PAGE, contacts)):
            fields = {name: f"{values.randrange(10_000)}" for name in names}
            moment = f"2026-{1 + number % 9:02d}-11T08:00:00.000Z"
            results.append(
                {
                    "id": str(number + 1),
                    "properties": fields,
                    "createdAt": moment,
                    "updatedAt": moment,
                    "archived": False,
                }
            )
        page: dict[str, Any] = {"results": results}
        if start + PAGE < contacts:
            page["paging"] = {"next": {"after": str(start + PAGE)}}
        pages.append(json.dumps(page).encode())
    return pages


def serve(contacts: int, properties: int) -> None:
    """Serve HubSpot's interface on loopback; print the port."""
    pages = render_pages(contacts, properties)
    described = [{"name": f"property_{n:03d}", "type": "string"} for n in range(properties)]

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1
        disable_nagle_algorithm = True

        def answer(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
            if parts.path.endswith("/properties/contacts"):
                content = json.dumps({"results": described}).encode()
            elif parts.path.endswith("/batch/upsert"):
                inputs = json.loads(body)["inputs"]
                results = [{"id": item["id"], "new": False} for item in inputs]
                content = json.dumps({"status": "COMPLETE", "results": results}).encode()
            elif query.get("archived") == "true":
                content = b'{"results": []}'
            else:
                content = pages[int(query.get("after", "0")) // PAGE]
            self.send_response(200)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = answer  # noqa: N815 - names of the base class

        def log_message(self, *_: Any) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()


class UnlimitedClock:
    """The system's clock, on which waiting for the rate limit takes no time."""

    def __init__(self) -> None:
        self._waited = 0.0

    def now(self) -> Any:
        """Return the time, with what was waited."""
        from datetime import UTC, datetime, timedelta

        return datetime.now(UTC) + timedelta(seconds=self._waited)

    def sleep(self, seconds: float) -> None:
        """Count the seconds."""
        self._waited += seconds


def figures(started: float, rows: int) -> dict[str, float]:
    """Return the CPU seconds and the peak memory of this process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    cpu = usage.ru_utime + usage.ru_stime
    return {
        "rows": rows,
        "cpu_seconds": cpu,
        "peak_mb": usage.ru_maxrss / 1024,
        "seconds": time.perf_counter() - started,
    }


def pull_once(url: str, folder: Path) -> dict[str, float]:
    """Pull the contacts in this process."""
    from churnkit.connect import Env, HubSpot, Urllib3Transport, pull
    from churnkit.core.project import Project

    started = time.perf_counter()
    report = pull(
        {"crm": HubSpot(key=Env("BENCHMARK_KEY"), base_url=url, streams=("contacts",))},
        folder / "data",
        project=Project(folder),
        transport=Urllib3Transport(),
        clock=UnlimitedClock(),
        jitter=random.Random(0),  # noqa: S311
    )
    return figures(started, report.tables[0]["rows"])


def push_once(url: str, folder: Path, customers: int, batch: int) -> dict[str, float]:
    """Push an action for each customer in this process."""
    from datetime import UTC, datetime

    import pyarrow as pa

    from churnkit.connect import (
        Env,
        HubSpotRecords,
        Link,
        Urllib3Transport,
        push,
        select_messages,
    )
    from churnkit.journal import DecisionRecord, Journal

    at = datetime(2026, 11, 2, tzinfo=UTC)
    ids = [f"c{number}" for number in range(customers)]
    records = (
        DecisionRecord(f"k{key}", key, at, at, "shop", action="call", propensity=0.9) for key in ids
    )
    with Journal.open(f"sqlite:///{folder / f'journal-{batch}.db'}") as journal:
        journal.record(records)
        before = time.process_time()
        started = time.perf_counter()
        plan = pa.table({"customer_id": ids, "action": ["call"] * customers})
        report = push(
            select_messages(plan, journal),
            "crm",
            HubSpotRecords(key=Env("BENCHMARK_KEY"), base_url=url, batch=batch),
            journal,
            link=Link(Urllib3Transport(), UnlimitedClock(), random.Random(0)),  # noqa: S311
        )
        measured = figures(started, report.sent)
    return {**measured, "cpu_seconds": time.process_time() - before}


def section(results: dict[str, Any]) -> str:
    """Return the section of the results page."""
    pulled, batches, single = results["pull"], results["push_100"], results["push_1"]
    factor = (single["cpu_seconds"] / single["rows"]) / (batches["cpu_seconds"] / batches["rows"])
    rows = "\n".join(
        f"| {name} | {job['rows']:,} | {job['cpu_seconds']:.1f} | {job['peak_mb']:.0f} |"
        for name, job in (
            ("Pull to raw tables", pulled),
            ("Push in batches of 100", batches),
            ("Push, one record per request", single),
        )
    )
    return f"""## Connections

`python -m benchmarks.connect`: {results["contacts"]:,} HubSpot contacts with
{results["properties"]} properties from a server on loopback, on {results["machine"]["processor"]}.
CPU time and memory of the client; waits of the rate limit are left out.

| Job | Rows | CPU s | Peak MB |
|---|---|---|---|
{rows}

With one record per request a record costs {factor:.0f} times as much CPU time.
"""


def measure(*arguments: str) -> dict[str, float]:
    """Run a job in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.connect", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    sys.stderr.write(f"{' '.join(arguments)}: {measured}\n")
    return measured


def main() -> None:
    """Run the benchmark, or one of its processes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--contacts", type=int, default=100_000)
    parser.add_argument("--properties", type=int, default=100)
    parser.add_argument("--job", choices=("serve", "pull", "push"))
    parser.add_argument("--url", default="")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--batch", type=int, default=100)
    options = parser.parse_args()
    if options.job == "serve":
        serve(options.contacts, options.properties)
    elif options.job == "pull":
        sys.stdout.write(json.dumps(pull_once(options.url, options.folder)) + "\n")
    elif options.job == "push":
        measured = push_once(options.url, options.folder, options.contacts, options.batch)
        sys.stdout.write(json.dumps(measured) + "\n")
    else:
        os.environ["BENCHMARK_KEY"] = KEY
        size = ["--contacts", str(options.contacts), "--properties", str(options.properties)]
        command = [sys.executable, "-m", "benchmarks.connect", "--job", "serve", *size]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            url = f"http://127.0.0.1:{int(server.stdout.readline())}"
            with tempfile.TemporaryDirectory() as folder:
                common = ["--url", url, "--folder", folder]
                few = str(max(options.contacts // 100, 1))
                results = {
                    "machine": machine(),
                    "contacts": options.contacts,
                    "properties": options.properties,
                    "pull": measure("--job", "pull", *common),
                    "push_100": measure("--job", "push", *common, "--contacts", size[1]),
                    "push_1": measure("--job", "push", *common, "--contacts", few, "--batch", "1"),
                }
        finally:
            server.kill()
            server.wait()
        publish("connect", results, section(results))


if __name__ == "__main__":
    main()
