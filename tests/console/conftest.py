"""A console over the shop's customers, and its forms."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from html import unescape

import pyarrow as pa
import pytest

pytest.importorskip("jinja2", reason="the extra 'console' is not installed")

DAY = date(2026, 11, 5)
NOW = datetime(2026, 11, 5, 9, tzinfo=UTC)


@pytest.fixture(scope="session")
def work_list(shop_model, rows_of_shop):
    """Scored customers of the shop; shared, so tests must not change it."""
    from churnkit.console import read_customer_list

    rows = rows_of_shop(200, seed=5)
    rows[0] |= {"customer_id": "=cmd|'x'", "email": "=mail@example.org"}
    rows[1] |= {"email": "<script>m</script>"}
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

    def open_browser(keys=None, key=None, clock=lambda: NOW):
        console = ConsoleApp(
            work_list,
            Approvals(opened, work_list),
            History(shop_model, {}, DAY),
            auth=SessionAuth(keys),
            clock=clock,
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
