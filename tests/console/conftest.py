"""A console over the shop's customers, and its forms."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import UTC, date, datetime
from html import unescape

import pyarrow as pa
import pytest

pytest.importorskip("jinja2", reason="the extra 'console' is not installed")

DAY = date(2026, 11, 5)
NOW = datetime(2026, 11, 5, 9, tzinfo=UTC)


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """Let a request wait for its report, however busy the machine is."""
    monkeypatch.setattr("churnkit.console.pages.report_page._WAIT_SECONDS", 60.0)


@pytest.fixture(scope="session")
def work_list(shop_model, customers_of_shop):
    """Scored customers of the shop; shared, so tests must not change it."""
    from churnkit.console import read_customer_list

    rows = customers_of_shop(200, seed=5)
    rows[0] |= {"customer_id": "=cmd|'x'", "email": "=mail@example.org"}
    rows[1] |= {"email": "<script>m</script>"}
    return read_customer_list(shop_model, pa.Table.from_pylist(rows), day=DAY)


@pytest.fixture(scope="session")
def account_list(shop_model, customers_of_shop):
    """As `work_list`, with accounts and their parents."""
    from churnkit.console import read_customer_list

    rows = customers_of_shop(60, seed=5)
    for number, row in enumerate(rows):
        row["company"] = ("Acme", "Bolt & Co", "<script>a</script>", "=Calc", None, " ")[number % 6]
        row["holding"] = ("North", "North", None, "South / <b>", None, None)[number % 6]
    return read_customer_list(shop_model, pa.Table.from_pylist(rows), day=DAY)


@pytest.fixture
def work(shop_model, work_list, tmp_path):
    """Function that opens a browser on a console, and its journal; all share one database."""
    testclient = pytest.importorskip("starlette.testclient", reason="starlette is not installed")
    from churnkit.console import ConsoleApp
    from churnkit.console.approvals import Approvals
    from churnkit.console.auth import SessionAuth
    from churnkit.console.customer_history import History
    from churnkit.journal import Journal

    opened = Journal.open(f"sqlite:///{tmp_path / 'journal.db'}")

    def open_browser(
        keys=None, key=None, clock=lambda: NOW, customers=work_list, sign_ins=None, push=None
    ):
        approvals = Approvals(opened, customers)
        console = ConsoleApp(
            customers,
            approvals,
            History(shop_model, {}, DAY),
            auth=SessionAuth(keys, sign_ins=sign_ins),
            clock=clock,
            push=None if push is None else push(customers, approvals),
        )
        browser = testclient.TestClient(
            console.app(),
            base_url="http://127.0.0.1",
            client=("127.0.0.1", 5),
            raise_server_exceptions=False,
        )
        if key is not None:
            token = re.findall(r'name="token" value="([^"]*)"', browser.get("/").text)[0]
            browser.post("/sign-in", data={"token": token, "key": key})
        return browser, opened

    yield open_browser
    opened.close()


@pytest.fixture(scope="session")
def send_form():
    """Function that fills in and sends a form of a page as a browser does."""

    def send(browser, path, action, **fields):
        page = browser.get(path).text
        (form,) = re.findall(
            rf'<form[^>]* action="{re.escape(action)}".*?</form>', page, re.DOTALL
        )[:1]
        hidden = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form)
        data = {name: unescape(value) for name, value in hidden} | fields
        return browser.post(action, data=data)

    return send


SOURCES = """
from churnkit.connect import Destinations, Env, Webhook

destinations = Destinations(crm=Webhook("{url}/hook", secret=Env("CRM_SECRET")))
"""


@pytest.fixture(scope="session")
def crm_server():
    """Server that keeps the messages of the console's destination, and its address."""
    from tests.connect.servers.asgi import serving
    from tests.connect.servers.receivers import WebhookServer
    from tests.connect.servers.sample import WallClock

    server = WebhookServer(WallClock(), "whsec_" + "c2VjcmV0" * 4)
    with serving(server) as server.url:  # type: ignore[attr-defined]
        yield server


@pytest.fixture(scope="session")
def console(crm_server, trained_shop, tmp_path_factory, customers_of_shop, to_csv):
    """Start the command with raw tables and yield its address and journal."""
    import pyarrow.parquet as pq

    from churnkit.datasets import simulate

    folder = tmp_path_factory.mktemp("console")
    rows = customers_of_shop(300, seed=7)
    for number, row in enumerate(rows):
        row |= {"company": f"Company {number % 40}", "holding": f"Group {number % 40 // 4}"}
    rows[0] |= {"city": "<script>alert(1)</script>", "customer_id": "=cmd|'x'"}
    to_csv(folder / "customers.csv", rows)
    tables = []
    for name, table in simulate(customers=400, months=14, seed=9).tables.items():
        if name != "customers":
            pq.write_table(table, folder / f"{name}.parquet")
            tables += ["--table", f"{name}={folder / name}.parquet"]
    journal = f"sqlite:///{folder / 'journal.db'}"
    (folder / "sources.py").write_text(SOURCES.format(url=crm_server.url))
    command = [sys.executable, "-c", "from churnkit.cli.main import main; main()", "console"]
    process = subprocess.Popen(
        [
            *command,
            folder / "customers.csv",
            *tables,
            "--port",
            "0",
            "--journal",
            journal,
            "--to",
            "crm",
            "--sources",
            folder / "sources.py",
        ],
        env=os.environ | {"CRM_SECRET": crm_server.secret},
        cwd=trained_shop[0].root,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    said = ""
    for line in process.stderr:
        said += line
        found = re.search(r"http://[\d.]+:\d+/", line)
        if found:
            break
    else:
        pytest.fail(f"the console did not start: {said}")
    yield found[0], journal
    process.terminate()
    process.wait(timeout=120)
    process.stderr.close()


@pytest.fixture
def visit(browser, console):
    """Open a page and record console messages and requests to other hosts."""
    address, _ = console
    contexts = []

    def visit(path="", width=1280, **settings):
        context = browser.new_context(viewport={"width": width, "height": 900}, **settings)
        contexts.append(context)
        page = context.new_page()
        page.noted = []
        page.on("console", lambda message: page.noted.append(message.text))
        page.on("pageerror", lambda error: page.noted.append(str(error)))
        page.on(
            "request",
            lambda asked: asked.url.startswith(address) or page.noted.append(asked.url),
        )
        page.goto(address + path)
        return page

    yield visit
    for context in contexts:
        context.close()
