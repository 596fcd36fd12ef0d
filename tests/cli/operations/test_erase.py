"""``churnkit erase``: no file that churnkit wrote contains the customer afterwards."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, date, datetime

import numpy as np
import pyarrow.parquet as pq
import pytest
from pyarrow import feather

from churnkit.cli.main import DONE, REFUSED
from churnkit.core.io.table_sources import read_table
from churnkit.core.output_ledger import record_output
from churnkit.journal import DecisionRecord, Journal, OutcomeRecord

pytest.importorskip("mlflow", reason="the extra 'train' is not installed")

CANARY = "idcanary0x00007"
MAIL = "mailcanary7@example.org"
OURS = {"customers.csv"}


def words_of(file):
    """Give a file's bytes, and in a second place what compressed columns hold."""
    raw = file.read_bytes()
    if file.suffix == ".parquet":
        table = pq.read_table(file)
    elif file.suffix == ".arrow":
        table = feather.read_table(file, memory_map=False)
    else:
        return raw
    return raw + "\n".join(str(row) for row in table.to_pylist()).encode()


def holding(root, word):
    return sorted(
        str(file.relative_to(root))
        for file in root.rglob("*")
        if file.is_file() and file.name not in OURS and word.encode() in words_of(file)
    )


@pytest.fixture(autouse=True)
def own_state(tmp_path, monkeypatch):
    """No spool of the user who runs the tests is searched."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def used(churnkit, shop_copy, rows_of_shop, to_csv, monkeypatch):
    """A project in which the customer was scored, planned for, reported on and interrupted at."""
    root = shop_copy.root
    rows = rows_of_shop(500)
    # First the customer breaks a rule, so that files of refusals hold the customer too.
    to_csv(root / "customers.csv", [*rows[:7], rows[7] | {"plan": "no such plan"}, *rows[8:]])
    for name in ("refused.csv", "refused.parquet"):
        assert churnkit("score", "customers.csv", "-o", name, folder=root)[0] == DONE
    to_csv(root / "customers.csv", rows)
    monkeypatch.delenv("CHURNKIT_JOURNAL", raising=False)
    for command in (
        ("score", "customers.csv", "-o", "scores.csv", "--reasons", "2"),
        ("score", "customers.csv", "-o", "scores.parquet"),
        ("plan", "customers.csv", "-o", "plan.csv"),
        ("plan", "customers.csv", "-o", "plan.parquet", "--period", "2026-11"),
        ("report", "customers.csv", "-o", "report.html"),
        ("monitor", "customers.csv"),
    ):
        code, _, message = churnkit(*command, folder=root)
        assert code in {DONE, REFUSED}, message
    with Journal.open() as journal:
        observed = datetime(2026, 11, 6, tzinfo=UTC)
        journal.record_outcomes([OutcomeRecord("o1", "spend", 3.0, observed, customer=CANARY)])
    interrupt(root, churnkit, monkeypatch)
    return root


def interrupt(root, churnkit, monkeypatch):
    """Leave finished chunks behind, as a kill does."""
    from churnkit.batch.jobs import score

    monkeypatch.setattr("churnkit.core.io.table_file.BATCH_ROWS", 50)
    monkeypatch.setattr(score, "CHUNK_BATCHES", 1)
    true = score._score_batch
    calls = []

    def stop(*given, **settings):
        calls.append(1)
        if len(calls) > 4:
            raise KeyboardInterrupt
        return true(*given, **settings)

    monkeypatch.setattr(score, "_score_batch", stop)
    churnkit("score", "customers.csv", "-o", "unfinished.csv", folder=root)
    monkeypatch.setattr(score, "_score_batch", true)
    assert (root / ".unfinished.csv.parts").is_dir()


def test_no_file_holds_the_customer_afterwards(churnkit, used):
    before = holding(used, CANARY)
    assert {"scores.csv", "scores.parquet", "plan.csv", "plan.parquet"} <= set(before)
    assert {"refused.invalid.csv", "refused.invalid.parquet", ".churnkit/journal.db"} <= set(before)
    assert any(".unfinished.csv.parts" in name for name in before)
    scored = (used / "scores.csv").read_text().splitlines()
    code, out, err = churnkit("erase", "--customer", CANARY, "--json", folder=used)
    assert code == DONE, err
    assert CANARY not in out + err
    result = json.loads(out)
    locations = {entry["name"].rsplit("/", 1)[-1]: entry["rows"] for entry in result["locations"]}
    assert locations["scores.csv"] == locations["plan.parquet"] == 1
    assert locations["refused.invalid.csv"] == 1
    assert locations["journal"] == 2
    assert (
        result["models"]
        == [{"name": "shop", "version": "1", "aliases": ["challenger", "champion"], "customers": 1}]
        or result["models"][0]["customers"] == 1
    )
    assert holding(used, CANARY) == []
    assert holding(used, MAIL) == []
    assert result["missing"] == []
    kept = [line for line in scored if CANARY not in line]
    assert (used / "scores.csv").read_text().splitlines() == kept
    code, out, _ = churnkit("erase", "--customer", CANARY, "--json", folder=used)
    assert code == DONE
    assert json.loads(out)["locations"] == []


def test_a_dry_run_changes_nothing(churnkit, used):
    before = holding(used, CANARY)
    code, out, err = churnkit("erase", "--customer", CANARY, "--dry-run", folder=used)
    assert code == DONE
    assert "Would be erased" in out
    assert "Models trained on these customers" in out
    assert "source tables may still hold these customers" in err
    assert holding(used, CANARY) == before


def test_an_erased_customer_does_not_come_back_into_the_journal(churnkit, used):
    assert churnkit("erase", "--customer", CANARY, folder=used)[0] == DONE
    again = ("plan", "customers.csv", "-o", "plan.csv", "--period", "2026-12")
    assert churnkit(*again, folder=used)[0] == DONE
    with Journal.open() as journal:
        assert len(journal.decisions(customers=[CANARY])) == 0
        assert len(journal.decisions(period="2026-12")) == 499


def test_ids_come_from_a_file_and_other_files_can_be_named(churnkit, shop_copy, tmp_path):
    root = shop_copy.root
    (tmp_path / "ids.txt").write_text("ann\nbob\r\n\n")
    (tmp_path / "mine.csv").write_text("who,x\nann,1\ncid,2\nbob,3\n")
    code, out, err = churnkit(
        "erase", "--from", tmp_path / "ids.txt", "--file", tmp_path / "mine.csv", folder=root
    )
    assert code == DONE, err
    assert (tmp_path / "mine.csv").read_text() == "who,x\ncid,2\n"
    assert "Erased" in out


def test_a_version_from_before_says_that_it_does_not_know(churnkit, shop_copy):
    for file in shop_copy.root.rglob("members/customers.npy"):
        file.unlink()
    _, _, err = churnkit("erase", "--customer", "ann", folder=shop_copy.root)
    assert "training customers not recorded for: shop 1" in err


def test_files_that_were_moved_are_named(churnkit, used):
    (used / "scores.csv").rename(used / "elsewhere.csv")
    code, _, err = churnkit("erase", "--customer", CANARY, folder=used)
    assert code == DONE
    assert "scores.csv no longer exists: if it was moved, name it with --file" in err
    assert holding(used, CANARY) == ["elsewhere.csv"]


def test_erasing_without_ids_is_refused(churnkit, shop_copy):
    code, _, err = churnkit("erase", folder=shop_copy.root)
    assert code == REFUSED
    assert "pass --customer ID or --from FILE" in err


def test_training_customers_are_kept_as_salted_hashes(trained_shop):
    from churnkit.bundle import Registry
    from churnkit.bundle.registry.quiet import quiet_mlflow
    from churnkit.bundle.training_members import hash_members, members_salt

    project, _ = trained_shop
    with quiet_mlflow():
        registry = Registry(project)
        salt = members_salt(project, create=False)
        assert salt is not None
        members = registry.members(registry.version("shop"), salt)
    assert members is not None
    assert len(members) == 500
    assert np.isin(hash_members([CANARY], salt), members).all()
    assert not np.isin(hash_members([CANARY], b"another salt"), members).any()
    assert (project.store / "members.salt").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "output", ["crm.duckdb#scores", "crm.sqlite#scores", "{root}/crm.db#scores"]
)
def test_tables_of_databases_lose_the_rows(churnkit, shop_copy, rows_of_shop, to_csv, output):
    root = shop_copy.root
    rows = rows_of_shop(30)
    to_csv(root / "customers.csv", [*rows[:7], rows[7] | {"plan": "no such plan"}, *rows[8:]])
    output = f"sqlite:///{output.format(root=root)}" if "{root}" in output else output
    code, _, err = churnkit("score", "customers.csv", "-o", output, folder=root)
    assert code == DONE, err
    ids = [str(rows[n]["customer_id"]) for n in (7, 8)]
    chosen = [part for each in ids for part in ("--customer", each)]
    location = output.replace("sqlite:///", "")
    # One of the two customers is among the refused rows too.
    for options, erased, left in ((("--dry-run",), 3, 30), ((), 3, 28), ((), 0, 28)):
        code, out, err = churnkit("erase", *chosen, *options, "--json", folder=root)
        assert code == DONE, err
        report = json.loads(out)
        assert sum(place["rows"] for place in report["locations"] if "#" in place["name"]) == erased
        assert report["missing"] == report["elsewhere"] == []
        assert read_table(location).num_rows == left
    assert not set(ids) & set(map(str, read_table(location)["customer_id"].to_pylist()))


def test_outputs_that_cannot_be_reached_are_named(churnkit, shop_copy):
    output = "postgresql://ann:canary@localhost/db#scores"
    record_output(output, "customer_id", project=shop_copy)
    code, out, err = churnkit("erase", "--customer", "17", folder=shop_copy.root)
    assert code == DONE, err
    assert "postgresql://***@localhost/db#scores could not be reached" in " ".join(err.split())
    assert "canary" not in out + err


def test_what_a_reader_of_the_journal_keeps_is_named_and_erased_once_it_ends(
    churnkit, shop_copy, tmp_path, monkeypatch
):
    file = tmp_path / "journal.db"
    monkeypatch.setitem(Journal.purge.__kwdefaults__, "seconds", 0.1)
    day = date(2026, 11, 1)
    with Journal.open(f"sqlite:///{file}") as journal:
        journal.record([DecisionRecord(f"k{CANARY}", CANARY, day, day, "shop")])
        assert file.stat().st_mode & 0o077 == 0
        reader = sqlite3.connect(file)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM churnkit_decisions").fetchall()
        arguments = ("erase", "--customer", CANARY, "--journal", f"sqlite:///{file}")
        code, _, err = churnkit(*arguments, folder=shop_copy.root)
        assert code == REFUSED
        assert "another program reads the journal" in err
        reader.close()
        code, _, err = churnkit(*arguments, folder=shop_copy.root)
    assert code == DONE, err
    assert not any(CANARY.encode() in part.read_bytes() for part in tmp_path.glob("journal.db*"))


def test_spools_and_stored_replies_are_erased(churnkit, shop_copy, tmp_path, monkeypatch):
    from churnkit.server.decision_log.spool_folder import prepare_spool
    from churnkit.server.decision_log.write_ahead_log import WriteAheadLog
    from churnkit.server.http.idempotency import IdempotentReplies, idempotent_request
    from churnkit.server.http.route import Reply

    spool = prepare_spool(tmp_path / "churnkit" / "spool" / "shop-1", "j")
    day = date(2026, 11, 1)
    killed = WriteAheadLog(spool)
    records = [DecisionRecord(f"k{name}", name, day, day, "shop") for name in (CANARY, "bob")]
    killed.add(records)
    killed.reject([*records, f"half a line of {CANARY}".encode()])
    killed._stream.close()
    running = WriteAheadLog(spool)
    running.add(records[:1])
    replies = IdempotentReplies(spool)
    request = idempotent_request({b"idempotency-key": b"k"}, "", b"")
    replies.begin(request)
    replies.end(request, Reply(f'{{"id": "{CANARY}"}}'.encode()))
    replies.close()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    code, out, err = churnkit("erase", "--customer", CANARY, folder=shop_copy.root)
    assert code == REFUSED
    assert "a running service holds 1 decisions" in err
    assert "shop-1" in out.replace("\n", "")
    running.clear()
    running.close()
    assert churnkit("erase", "--customer", CANARY, folder=shop_copy.root)[0] == DONE
    stored = b"".join(file.read_bytes() for file in spool.iterdir())
    assert CANARY.encode() not in stored
    assert stored.count(b"kbob") == 2


def test_outputs_of_other_working_folders_and_killed_writes_are_erased(
    churnkit, shop_copy, tmp_path, monkeypatch
):
    root = shop_copy.root
    monkeypatch.chdir(tmp_path)
    (root / "exports").mkdir()
    scores = root / "exports" / "scores.csv"
    scores.write_text(f"customer,churn\n{CANARY},0.4\nbob,0.1\n")
    scores.chmod(0o640)
    record_output(scores, "customer")
    killed = scores.with_name(f".{scores.name}-{'0a' * 6}")
    killed.write_text(f"customer,churn\n{CANARY}")
    code, _, err = churnkit("erase", "--customer", CANARY, folder=root)
    assert code == DONE, err
    assert scores.read_text() == "customer,churn\nbob,0.1\n"
    assert scores.stat().st_mode & 0o777 == 0o640
    assert not killed.exists()
