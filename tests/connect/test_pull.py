"""Pulls of HubSpot and Stripe from servers with faults."""

from __future__ import annotations

import hashlib
import json
import os
from datetime import timedelta
from random import Random

import numpy as np
import pyarrow.parquet as pq
import pytest

from churnkit.connect import Env, HubSpot, Salesforce, Stripe, Zendesk
from churnkit.connect.ingestion import stream_pull as engine
from churnkit.core.io.atomic_write import StagedFile
from churnkit.errors import ChurnkitError, ConnectError, DataError
from tests.connect.servers.faults import START, Clock, Faults
from tests.connect.servers.hubspot import HubSpotServer
from tests.connect.servers.salesforce import SalesforceServer
from tests.connect.servers.stripe import StripeServer
from tests.connect.servers.zendesk import ZendeskServer

CRM = HubSpot(key=Env("PROVIDER_KEY"), streams=("contacts",))
BILLING = Stripe(key=Env("PROVIDER_KEY"), streams=("subscriptions",))
ORGANIZATION = Salesforce(
    domain="acme",
    streams=("accounts",),
    client_id=Env("PROVIDER_KEY"),
    client_secret=Env("PROVIDER_KEY"),
)
DESK = Zendesk(
    key=Env("PROVIDER_KEY"), subdomain="acme", email="ann@example.com", streams=("tickets",)
)
RUNS = int(os.environ.get("CHURNKIT_CONNECT_RUNS", "4"))


class Killed(BaseException):
    """The process ends here."""


def table(home, name):
    return pq.read_table(home / "data" / f"{name}.parquet").to_pylist()


def bytes_of(home):
    """Digests of the tables and of the pulls' logs."""
    files = [
        path
        for path in sorted(home.rglob("*"))
        if path.suffix in {".parquet", ".json"}
        and path.name != "outputs.json"
        and not path.name.startswith(".")
    ]
    return {str(path.relative_to(home)): fingerprint(path) for path in files}


def fingerprint(path):
    """The digest of a file; of a manifest only the parts, as a killed pull may count one run more."""
    if path.name == "manifest.json":
        content = json.loads(path.read_bytes())
        return content["parts"], content["kinds"], content["pending"]
    return hashlib.sha256(path.read_bytes()).hexdigest()


def change_contacts(server, random, clock, count=40):
    """Create, change and archive contacts; some changes carry a time of some minutes ago."""
    for _ in range(count):
        key = str(random.randrange(1, 400))
        record = server.objects["contacts"].get(key)
        if record and record["archived"]:
            continue
        if record and random.random() < 0.1:
            server.archive("contacts", key)
            continue
        late = clock.now() - timedelta(minutes=random.randrange(9))
        server.put("contacts", key, late, plan=random.choice("abc"), seats=str(random.randrange(9)))


def change_subscriptions(server, random, clock, count=40):
    for _ in range(count):
        key = f"sub_{random.randrange(300)}"
        late = clock.now() - timedelta(minutes=random.randrange(9))
        status = random.choice(["active", "past_due", "canceled"])
        started = int(START.timestamp())
        server.put("subscriptions", key, late, customer="c", status=status, start_date=started)


def change_accounts(server, random, clock, count=40):
    for _ in range(count):
        key = f"001{random.randrange(300):06d}"
        record = server.records["Account"].get(key)
        if record and record["IsDeleted"] == "true":
            continue
        if record and random.random() < 0.1:
            server.delete("Account", key)
            continue
        late = clock.now() - timedelta(minutes=random.randrange(9))
        server.put("Account", key, late, plan=random.choice("abc"), Notes='say "x",\nplease')


def change_tickets(server, random, clock, count=40):
    for _ in range(count):
        key = str(random.randrange(1, 300))
        late = clock.now() - timedelta(minutes=random.randrange(2, 9))
        record = server.records["tickets"].get(key)
        if record and record["status"] == "deleted":
            continue
        status = random.choice(["open", "solved", "deleted" if record else "new"])
        server.put("tickets", key, late, organization_id=7, status=status)


CASES = {
    "salesforce": (ORGANIZATION, SalesforceServer, change_accounts, "s_accounts", "accounts"),
    "zendesk": (DESK, ZendeskServer, change_tickets, "s_tickets", "tickets"),
    "hubspot": (CRM, HubSpotServer, change_contacts, "s_contacts", "contacts"),
    "stripe": (BILLING, StripeServer, change_subscriptions, "s_subscriptions", "subscriptions"),
}


def truth(name, server):
    """The latest contents by id, and the ids of deleted records."""
    if name == "hubspot":
        records = server.objects["contacts"]
        live = {k: r["properties"]["plan"] for k, r in records.items() if r["archived"] is None}
        return live, {k for k, r in records.items() if r["archived"] is not None}
    if name == "stripe":
        return {k: r["status"] for k, r in server.objects["subscriptions"].items()}, set()
    records = server.records["Account" if name == "salesforce" else "tickets"]
    column, mark = ("plan", "IsDeleted") if name == "salesforce" else ("status", "status")
    gone = {k for k, r in records.items() if r[mark] in {"true", "deleted"}}
    return {k: r[column] for k, r in records.items() if k not in gone}, gone


def kill_at(monkeypatch, count, random):
    """End the process at the n-th rename of a file, and leave half a file behind."""
    left = [count]
    original = StagedFile.commit

    def commit(self):
        left[0] -= 1
        if left[0] == 0:
            content = self.path.read_bytes()
            half = self.path.with_name(f"{self.path.name}.half")
            half.write_bytes(content[: random.randrange(len(content) + 1)])
            if random.random() < 0.5:
                original(self)
            raise Killed
        original(self)

    monkeypatch.setattr(StagedFile, "commit", commit)


def three_pulls(case, home, run_pull, clock_type, *, seed, faults=None, kills=None):
    """Pull three times with changes between; return the server and the versions it showed."""
    source, server_type, change, _, _ = CASES[case]
    clock = clock_type()
    server = server_type(clock, faults or Faults())
    server.faults.repeat_borders = faults is not None
    random = Random(seed)  # noqa: S311
    shown = []
    for day in range(3):
        clock.at = START + timedelta(days=day)
        change(server, random, clock, 400 if day == 0 else 40)
        while True:
            try:
                if kills is not None:
                    kills()
                run_pull(source, server, clock, home)
            except Killed:
                if not has_begun(home):
                    clock.at = START + timedelta(days=day)
                continue
            except ConnectError as error:
                assert "9 times" in str(error)  # noqa: PT017 - another run continues
                continue
            break
        shown.append(truth(case, server))
    return shown


def has_begun(home):
    manifests = home.glob(".churnkit/pulls/s/*/manifest.json")
    return any(json.loads(file.read_bytes())["pending"] for file in manifests)


def check(case, home, shown):
    name = CASES[case][3]
    column = "plan" if case in {"hubspot", "salesforce"} else "status"
    live, gone = shown[-1]
    rows = table(home, name)
    assert sorted(row["id"] for row in rows) == sorted({*live, *gone})
    assert {row["id"] for row in rows if row["deleted_at"]} == gone
    versions = table(home, f"{name}_history")
    current = [v for v in versions if v["valid_to"] is None]
    assert {v["id"]: v[column] for v in current} == live
    assert len(current) == len(live)
    for day, (then, _) in enumerate(shown):
        at = START + timedelta(days=day, hours=12)
        valid = [
            v
            for v in versions
            if v["valid_from"] < at and (v["valid_to"] is None or v["valid_to"] >= at)
        ]
        assert {v["id"]: v[column] for v in valid} == then
        assert len(valid) == len(then)


@pytest.mark.parametrize("case", CASES)
def test_every_record_arrives_once_in_its_version_of_each_pull(case, tmp_path, run_pull):
    check(case, tmp_path, three_pulls(case, tmp_path, run_pull, Clock, seed=1))


@pytest.mark.parametrize("seed", range(RUNS))
@pytest.mark.parametrize("case", CASES)
def test_faults_and_kills_at_any_moment_give_the_same_bytes(
    case, seed, tmp_path, run_pull, monkeypatch
):
    monkeypatch.setattr(engine, "_GROUP_ROWS", 60)
    plain, hurt = tmp_path / "plain", tmp_path / "hurt"
    shown = three_pulls(case, plain, run_pull, Clock, seed=seed, faults=Faults())
    random = Random(seed + 1000)  # noqa: S311
    faults = Faults(seed, rate=0.3)
    with pytest.MonkeyPatch.context() as patch:

        def kills():
            patch.undo()
            if random.random() < 0.7:
                kill_at(patch, random.randrange(1, 14), random)

        again = three_pulls(case, hurt, run_pull, Clock, seed=seed, faults=faults, kills=kills)
    assert again == shown
    check(case, hurt, shown)
    assert bytes_of(plain) == bytes_of(hurt)
    # A short pull may meet no fault: the chance is 1 in 100 with 13 requests.
    assert faults.count or faults.draws < 20


def test_a_changed_field_does_not_change_what_an_earlier_date_sees(tmp_path, run_pull, clock):
    from churnkit.timeline import ActiveSubscription, Current, Snapshots, Table, Timeline, build

    server = HubSpotServer(clock)
    server.put("contacts", "1", plan="small")
    run_pull(CRM, server, clock)
    clock.at += timedelta(days=30)
    server.put("contacts", "1", plan="large")
    run_pull(CRM, server, clock)
    contacts = Table(
        "contacts",
        "id",
        source="s_contacts_history",
        happened="valid_from",
        ended="valid_to",
        columns={"plan": "string"},
    )
    plan = Timeline(
        tables=[contacts],
        features={"plan": Current("contacts", "plan")},
        snapshots=Snapshots(dates=["2026-11-20", "2026-12-20"]),
        eligible=ActiveSubscription("contacts"),
    )
    rows = build(plan, {"s_contacts_history": tmp_path / "data" / "s_contacts_history.parquet"})
    assert rows["plan"].to_pylist() == ["small", "large"]


def test_a_record_that_a_full_read_no_longer_has_is_deleted(tmp_path, run_pull, clock):
    server = StripeServer(clock)
    for number in range(3):
        server.put("subscriptions", f"sub_{number}", status="active", start_date=1)
    run_pull(BILLING, server, clock)
    del server.objects["subscriptions"]["sub_1"]
    clock.at += timedelta(days=40)
    report = run_pull(BILLING, server, clock)
    assert report.streams[0]["mode"] == "full"
    assert report.streams[0]["deleted"] == 1
    rows = {row["id"]: row["deleted_at"] for row in table(tmp_path, "s_subscriptions")}
    assert [key for key, gone in rows.items() if gone] == ["sub_1"]
    assert run_pull(BILLING, server, clock).streams[0]["new"] == 0


def test_changes_are_read_without_the_rest_and_past_the_wall_of_search(run_pull, clock):
    server = HubSpotServer(clock)
    server.put("contacts", "1", plan="a")
    run_pull(CRM, server, clock)
    clock.at += timedelta(days=1)
    server.wall = 500
    for number in range(2, 1_200):
        server.put("contacts", str(number), plan="b")
    clock.at += timedelta(hours=1)
    report = run_pull(CRM, server, clock)
    assert (report.streams[0]["mode"], report.streams[0]["new"]) == ("changes", 1_198)
    clock.at += timedelta(days=1)
    server.requests.clear()
    assert run_pull(CRM, server, clock).streams[0]["read"] == 0
    assert len(server.requests) == 3


def test_an_expired_page_token_reads_the_endpoint_again(tmp_path, run_pull, clock, monkeypatch):
    server = HubSpotServer(clock)
    for number in range(1, 500):
        server.put("contacts", str(number), plan="a")
    original, left = server.list_objects, [3]

    def forgetful(kind, query):
        left[0] -= 1
        if left[0] == 0:
            query = {**query, "after": "expired"}
        return original(kind, query)

    monkeypatch.setattr(server, "list_objects", forgetful)
    assert run_pull(CRM, server, clock).streams[0]["new"] == 499
    assert len(table(tmp_path, "s_contacts")) == 499


def test_a_new_field_becomes_a_column_and_a_required_one_may_not_change(tmp_path, run_pull, clock):
    server = HubSpotServer(clock)
    server.put("contacts", "1", plan="a")
    required = HubSpot(
        key=Env("PROVIDER_KEY"), streams=("contacts",), require={"contacts": ("plan",)}
    )
    run_pull(required, server, clock)
    server.put("contacts", "2", plan="b", region="north")
    report = run_pull(required, server, clock)
    assert report.streams[0]["added_columns"] == ("region",)
    assert table(tmp_path, "s_contacts_history")[-1]["region"] == "north"
    before = bytes_of(tmp_path)
    server.types["contacts"]["plan"] = "number"
    with pytest.raises(DataError, match="required column 'plan' was text and is number"):
        run_pull(required, server, clock)
    del server.types["contacts"]["plan"]
    with pytest.raises(DataError, match="required column 'plan' no longer exists"):
        run_pull(required, server, clock)
    assert bytes_of(tmp_path) == before


def test_a_value_of_another_kind_is_refused_without_naming_it(run_pull, clock):
    server = HubSpotServer(clock)
    server.put("contacts", "1", seats="ann@example.com")
    server.types["contacts"]["seats"] = "number"
    with pytest.raises(DataError, match="column 'seats' no longer holds a number") as refusal:
        run_pull(CRM, server, clock)
    assert "ann" not in str(refusal.value)


def test_history_of_properties_becomes_a_log_of_changes(tmp_path, run_pull, clock):
    server = HubSpotServer(clock)
    server.put("contacts", "1", START - timedelta(days=90), plan="small")
    server.put("contacts", "1", START - timedelta(days=30), plan="large")
    source = HubSpot(
        key=Env("PROVIDER_KEY"),
        streams=("contact_changes",),
        fields={"contact_changes": ("plan",)},
    )
    run_pull(source, server, clock)
    changes = sorted(table(tmp_path, "s_contact_changes"), key=lambda row: row["changed_at"])
    assert [row["value"] for row in changes] == ["small", "large"]
    assert changes[0]["changed_at"] == START - timedelta(days=90)


def test_the_rate_limit_is_kept_and_answers_of_429_slow_the_pull(run_pull, clock):
    server = HubSpotServer(clock)
    for number in range(1, 1500):
        server.put("contacts", str(number), plan="a")
    run_pull(CRM, server, clock)
    seconds = (clock.at - START).total_seconds()
    assert len(server.requests) <= 9 * (seconds + 1) + 1
    slow = HubSpotServer(clock, Faults(3, rate=0.5, kinds=("429-date",)))
    slow.objects = server.objects
    slow.types = server.types
    clock.at += timedelta(days=1)
    begin = clock.at
    run_pull(CRM, slow, clock, full=True)
    assert (clock.at - begin).total_seconds() > 3 * slow.faults.count


def test_the_share_of_the_daily_quota_ends_the_run_and_the_next_one_continues(
    tmp_path, run_pull, clock, monkeypatch
):
    server = HubSpotServer(clock)
    for number in range(1, 1000):
        server.put("contacts", str(number), plan="a")
    monkeypatch.setattr(engine, "_GROUP_ROWS", 200)
    original, used = server.encode, [70]

    def encode(answer):
        content, status, headers = original(answer)
        used[0] += 3
        daily = {"x-hubspot-ratelimit-daily": "100"}
        left = {"x-hubspot-ratelimit-daily-remaining": str(100 - used[0])}
        return content, status, {**headers, **daily, **left}

    monkeypatch.setattr(server, "encode", encode)
    with pytest.raises(ConnectError, match="quota_share is 80%"):
        run_pull(CRM, server, clock)
    used[0] = 0
    server.requests.clear()
    run_pull(CRM, server, clock)
    assert len(server.requests) < 12
    assert len(table(tmp_path, "s_contacts")) == 999


def test_the_secret_is_in_no_error_and_no_file(tmp_path, run_pull, clock, monkeypatch):
    server = HubSpotServer(clock)
    server.put("contacts", "1", plan="a")
    run_pull(CRM, server, clock)
    monkeypatch.setenv("PROVIDER_KEY", "another-canary")
    with pytest.raises(ConnectError, match="401") as refusal:
        run_pull(CRM, server, clock)
    assert "canary" not in f"{refusal.value!r} {CRM!r}"
    assert not [
        path for path in tmp_path.rglob("*") if path.is_file() and b"canary" in path.read_bytes()
    ]


def test_an_erased_customer_does_not_come_back(tmp_path, run_pull, clock):
    from churnkit.connect import erase_from_pulls
    from churnkit.core.project import Project

    server = HubSpotServer(clock)
    for number in range(1, 6):
        server.put("contacts", str(number), plan="a")
    run_pull(CRM, server, clock)
    assert erase_from_pulls(["3"], Project(tmp_path), dry_run=True) == {"s/contacts": 1}
    assert erase_from_pulls(["3"], Project(tmp_path)) == {"s/contacts": 1}
    server.put("contacts", "3", plan="b")
    for full in (False, True):
        run_pull(CRM, server, clock, full=full)
        assert [row["id"] for row in table(tmp_path, "s_contacts")] == ["1", "2", "4", "5"]
    erased = (tmp_path / ".churnkit" / "pulls" / "erased.json").read_text()
    assert '"3"' not in erased


def test_a_second_pull_at_the_same_time_is_refused(tmp_path, run_pull, clock):
    from churnkit.core.io.lock import exclusive_lock

    server = HubSpotServer(clock)
    (tmp_path / ".churnkit" / "pulls" / "s").mkdir(parents=True)
    with (
        exclusive_lock(tmp_path / ".churnkit" / "pulls" / "s" / "lock"),
        pytest.raises(ChurnkitError, match="another pull of s is running"),
    ):
        run_pull(CRM, server, clock)


def test_many_runs_leave_few_parts(tmp_path, run_pull, clock, monkeypatch):
    from churnkit.connect.ingestion import version_log

    monkeypatch.setattr(version_log, "_MOST_PARTS", 4)
    server = HubSpotServer(clock)
    for number in range(1, 9):
        server.put("contacts", str(number), plan="a")
        clock.at += timedelta(days=1)
        run_pull(CRM, server, clock)
    folder = tmp_path / ".churnkit" / "pulls" / "s" / "contacts"
    assert len(list(folder.glob("*.parquet"))) <= 5
    assert len(table(tmp_path, "s_contacts")) == 8
    assert np.all([row["valid_to"] is None for row in table(tmp_path, "s_contacts_history")])
