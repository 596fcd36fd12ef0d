"""``churnkit init`` on messy files, then train and score without edits."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from churnkit.cli.main import DONE, REFUSED

pytest.importorskip("mlflow", reason="the extra 'train' is not installed")

CUSTOMERS = 700


def business(count=CUSTOMERS, *, seed=0):
    """Customers whose leaving hangs on three things, as plain Python values."""
    generator = np.random.default_rng(seed)
    rows = []
    for index in range(count):
        months, plan = int(generator.integers(1, 72)), ("basic", "plus", "pro")[index % 3]
        bill = round(float(generator.gamma(4.0, 400.0)), 2)
        risk = 2.0 * (plan == "basic") - 0.09 * (months - 30) + 0.0015 * (bill - 1600.0) - 0.5
        rows.append(
            {
                "id": 7_000_000 + 13 * index,
                "months": months,
                "plan": plan,
                "bill": bill,
                "left": bool(generator.random() < 1.0 / (1.0 + np.exp(-2.0 * risk))),
            }
        )
    return rows


def write(path, header, rows, *, encoding="utf-8", delimiter=","):
    with path.open("w", encoding=encoding, newline="") as stream:
        writer = csv.writer(stream, delimiter=delimiter, lineterminator="\r\n")
        writer.writerow(header)
        writer.writerows(rows)
    return path


def german(folder):
    """Semicolons, Latin-1, commas before fractions, points between thousands, dates as text."""
    rows = [
        [
            r["id"], f"Straße {n}", f"{n % 28 + 1:02d}.03.2024", r["months"],
            {"basic": "Günstig", "plus": "Plus", "pro": "Profi"}[r["plan"]],
            f"{r['bill']:,.2f}".replace(",", " ").replace(".", ",").replace(" ", "."),
            "Ja" if r["left"] else "Nein",
        ]
        for n, r in enumerate(business(seed=1))
    ]  # fmt: skip
    header = ["Kundennummer", "Adresse", "Vertragsbeginn", "Monate", "Tarif", "Umsatz", "Gekündigt"]
    return write(folder / "kunden.csv", header, rows, encoding="latin-1", delimiter=";")


def spreadsheet(folder):
    """A byte order mark, money with signs, duplicate rows, a constant, True and False."""
    rows = [
        [
            f"C-{r['id']}", f"{n % 12 + 1}/{n % 28 + 1}/2024", "US", r["months"], f" {r['plan']} ",
            f"${r['bill']:,.2f}", str(r["left"]).upper(),
        ]
        for n, r in enumerate(business(seed=2))
    ]  # fmt: skip
    header = [
        "Customer ID",
        "Sign-up",
        "Country",
        "Tenure (months)",
        "Plan",
        "Total spend",
        "Churned?",
    ]
    return write(folder / "export 2024.csv", header, rows + rows[:40], encoding="utf-8-sig")


def bank(folder):
    """Existing and attrited customers, row numbers, and a column that tells the outcome."""
    rows = [
        [
            n + 1, r["id"], ("Attrited Customer" if r["left"] else "Existing Customer"),
            r["months"], r["plan"], r["bill"], 0.9999 if r["left"] else 0.0001 + n * 1e-9,
        ]
        for n, r in enumerate(business(seed=3))
    ]  # fmt: skip
    header = [
        "RowNumber", "CLIENTNUM", "Attrition_Flag", "Months_on_book", "class", "Total_Trans_Amt",
        "Naive_Bayes_Classifier_1",
    ]  # fmt: skip
    return write(folder / "BankChurners.csv", header, rows)


def mixed(folder):
    """Words among numbers, blanks as text, rows without a customer or an outcome, free text."""
    rows = []
    for n, r in enumerate(business(seed=4)):
        months = ("n/a", " ", "?")[n % 3] if n % 29 == 0 else r["months"]
        bill = "error" if n % 101 == 0 else r["bill"]
        message = f"called {n} times, wants {n % 7} things done before {n % 31}, said {n * 7} words"
        left = "" if n % 97 == 0 else int(r["left"])
        member = "" if n % 131 == 0 else r["id"]
        rows.append(
            [member, f"a{n}@b.org", f"Anna {n}", message, months, r["plan"], bill, "", left]
        )
    header = [
        "member_id",
        "e-mail",
        "full name",
        "notes",
        "months",
        "plan",
        "bill",
        "empty",
        "exited",
    ]
    return write(folder / "members.csv", header, rows)


def snapshots(folder):
    """UTF-16 with tabs, a row for each customer and month, truth in three ways to write it."""
    rows = []
    for month in ("2024-01-01", "2024-02-01"):
        for n, r in enumerate(business(500, seed=int(month[6]))):
            left = (("Yes", "YES", "yes") if r["left"] else ("No", "no", "NO"))[n % 3]
            rows.append([r["id"], month, r["months"], r["plan"].upper(), r["bill"], left])
    header = ["user_id", "snapshot", "months", "plan", "bill", "churn"]
    return write(folder / "monthly.tsv", header, rows, encoding="utf-16", delimiter="\t")


def typed(folder):
    """Parquet: types of its own, whole numbers as ids, and the target under a dull name."""
    rows = business(seed=6)
    table = pa.table(
        {
            "account": pa.array([r["id"] for r in rows]),
            "since": pa.array(["2020-01-01"] * len(rows)).cast(pa.date32()),
            "months": pa.array([r["months"] for r in rows], pa.int16()),
            "plan": pa.array([r["plan"] for r in rows]).dictionary_encode(),
            "bill": pa.array([r["bill"] for r in rows]).cast(pa.decimal128(12, 2)),
            "tags": pa.array([["a"]] * len(rows)),
            "target": pa.array([int(r["left"]) for r in rows], pa.int8()),
        }
    )
    pq.write_table(table, folder / "accounts.parquet")
    return folder / "accounts.parquet"


MESSY = {
    german: {"Umsatz": "feature", "Adresse": "pii", "Vertragsbeginn": "feature"},
    spreadsheet: {"Customer ID": "entity", "Country": "ignore", "Total spend": "feature"},
    bank: {"RowNumber": "ignore", "Naive_Bayes_Classifier_1": "ignore", "class": "feature"},
    mixed: {"e-mail": "pii", "full name": "pii", "notes": "ignore", "empty": "ignore"},
    snapshots: {"user_id": "entity", "snapshot": "as_of", "plan": "feature"},
    typed: {"account": "entity", "tags": "ignore", "since": "ignore", "target": "label"},
}


@pytest.mark.slow
@pytest.mark.parametrize("make", MESSY, ids=lambda make: make.__name__)
@pytest.mark.usefixtures("fast_profile")
def test_a_messy_file_is_trained_and_scored_without_edits(churnkit, tmp_path, migrated_store, make):
    table = make(tmp_path)
    code, out, err = churnkit("init", "project", "--from", table, "--json", folder=tmp_path)
    assert code == DONE, err
    drafted = json.loads(out)
    roles = {column["column"]: column["role"] for column in drafted["columns"]}
    assert MESSY[make].items() <= roles.items()
    project = tmp_path / "project"
    (project / ".churnkit").mkdir()
    shutil.copyfile(migrated_store, project / ".churnkit" / "mlflow.db")
    code, _, err = churnkit("train", folder=project)
    assert code == DONE, err
    assert "is the champion" in err
    code, _, err = churnkit("validate", table, folder=project)
    assert code == DONE, err
    code, out, err = churnkit("score", table, folder=project)
    assert code == DONE, err
    rows = list(csv.DictReader(out.splitlines()))
    assert len(rows) > CUSTOMERS - 1
    entity = next(name for name, role in roles.items() if role == "entity")
    assert all(row["churn_probability"] for row in rows if row[entity])


def test_generated_files_are_formatted_as_ruff_does(churnkit, tmp_path):
    ruff = shutil.which("ruff")
    if ruff is None:
        pytest.skip("ruff is not installed")
    import subprocess

    for make in (german, spreadsheet, bank, mixed):
        churnkit("init", "project", "--from", make(tmp_path), folder=tmp_path)
    checked = subprocess.run(
        [ruff, "format", "--check", "--isolated", "--line-length", "100", tmp_path / "project"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.usefixtures("fast_profile")
def test_telco_is_trained_without_edits(churnkit, tmp_path, data_dir, migrated_store):
    table = next((data_dir / "telco").glob("*.csv"))
    code, out, err = churnkit(
        "init", "telco", "--from", table, "--entity", "customerID", "--label", "Churn", "--json",
        folder=tmp_path,
    )  # fmt: skip
    assert code == DONE, err
    types = {c["column"]: (c["type"], c["role"]) for c in json.loads(out)["columns"]}
    assert types["TotalCharges"] == ("float", "feature")
    project = tmp_path / "telco"
    (project / ".churnkit").mkdir()
    shutil.copyfile(migrated_store, project / ".churnkit" / "mlflow.db")
    code, out, err = churnkit("train", "--json", folder=project)
    assert code == DONE, err
    assert json.loads(out)["evaluation"]["metrics"]["auc"]["value"] > 0.83


class TestFiles:
    """What is written, and what is left alone."""

    def test_a_file_that_is_there_is_kept_and_named(self, churnkit, tmp_path):
        table = bank(tmp_path)
        own = tmp_path / "project" / "schemas" / "bank_churners.py"
        own.parent.mkdir(parents=True)
        own.write_text("# mine\n")
        code, out, err = churnkit("init", "project", "--from", table, "--json", folder=tmp_path)
        assert code == DONE
        assert own.read_text() == "# mine\n"
        assert json.loads(out)["kept"] == ["schemas/bank_churners.py"]
        assert "bank_churners.py, which exists already" in err
        code, out, _ = churnkit("init", "project", "--from", table, "--json", folder=tmp_path)
        assert (code, json.loads(out)["written"]) == (DONE, [])

    def test_a_project_is_complete(self, churnkit, tmp_path):
        code, _, err = churnkit("init", "project", "--from", bank(tmp_path), folder=tmp_path)
        assert code == DONE
        assert "cd project && churnkit train bank_churners" in err
        made = {str(p.relative_to(tmp_path / "project")) for p in tmp_path.rglob("project/**/*.*")}
        assert made >= {
            "schemas/bank_churners.py", "training/bank_churners.py", "serving/service.py",
            "serving/bentofile.yaml", "README.md", ".gitignore",
        }  # fmt: skip
        schema = (tmp_path / "project/schemas/bank_churners.py").read_text()
        assert "# review: CK101: AUC 1.000 alone" in schema
        assert (
            'feature("Class", nullable=True, isin=["basic", "plus", "pro"], alias="class")'
            in schema
        )
        assert 'isin=["Attrited Customer", "Existing Customer"]' in schema

    def test_the_table_that_words_and_signs_are_read_from_is_untouched(self, churnkit, tmp_path):
        table = mixed(tmp_path)
        before = table.read_bytes()
        churnkit("init", "project", "--from", table, folder=tmp_path)
        assert table.read_bytes() == before
        schema = (tmp_path / "project/schemas/members.py").read_text()
        assert 'missing=["?", "n/a"]' in schema
        assert 'missing=["error"]' in schema
        recipe = (tmp_path / "project/training/members.py").read_text()
        assert 'leave_out=("unnamed", "unlabeled")' in recipe


class TestRefusals:
    """What cannot become a project, said with the mend; nothing is written."""

    @pytest.fixture(autouse=True)
    def _nothing_is_left_behind(self, tmp_path):
        yield
        assert not (tmp_path / "project").exists()

    @pytest.fixture
    def refused(self, churnkit, tmp_path):
        def refused(header, rows, *options):
            table = write(tmp_path / "customers.csv", header, rows)
            code, out, err = churnkit("init", "project", "--from", table, *options, folder=tmp_path)
            assert (code, out) == (REFUSED, "")
            return " ".join(err.split())

        return refused

    def test_a_missing_file(self, churnkit, tmp_path):
        code, _, err = churnkit("init", "project", "--from", "no.csv", folder=tmp_path)
        assert code == REFUSED
        assert "no.csv does not exist" in err

    def test_an_empty_file_and_an_empty_table(self, churnkit, tmp_path, refused):
        assert "has a header and no rows" in refused(["customer_id", "churn"], [])
        (tmp_path / "customers.csv").write_text("")
        code, _, err = churnkit("init", "project", "--from", "customers.csv", folder=tmp_path)
        assert code == REFUSED
        assert "customers.csv" in err

    def test_unknown_columns_name_the_most_similar_one(self, refused):
        rows = [[n, n % 5, n % 2] for n in range(60)]
        header = ["customer_id", "use", "churn"]
        assert "did you mean 'churn'?" in refused(header, rows, "--label", "chrun")
        assert "did you mean 'customer_id'?" in refused(header, rows, "--entity", "customerid")

    def test_a_positive_value_that_the_table_lacks(self, refused):
        rows = [[n, n % 5, "AB"[n % 2]] for n in range(60)]
        header = ["customer_id", "use", "churn"]
        assert "has no value 'C'" in refused(header, rows, "--positive", "C")

    def test_nothing_to_learn_from(self, refused):
        rows = [[n, "x", n % 2] for n in range(200)]
        err = refused(["customer_id", "country", "churn"], rows)
        assert "no feature is left" in err

    def test_two_columns_of_one_name(self, refused):
        rows = [[n, 1, 2, n % 2] for n in range(60)]
        assert "'use'" in refused(["customer_id", "use", "use", "churn"], rows)


def test_a_stated_dialect_is_read_and_shown(churnkit, tmp_path):
    rows = "".join(f"{n}:łódź:{n % 7}:{'yes' if n % 3 else 'no'}\n" for n in range(200))
    (tmp_path / "klienci.csv").write_bytes(f"id:miasto:wizyty:churn\n{rows}".encode("cp1250"))
    code, out, err = churnkit(
        "--csv-delimiter", ":", "--csv-encoding", "cp1250", "init", "project", "--from",
        "klienci.csv", "--json", folder=tmp_path,
    )  # fmt: skip
    assert code == DONE, err
    reading = dict(json.loads(out)["reading"])
    assert "CP1250, delimited by ':' (as stated" in reading["file"]
    assert "łódź" not in err
    code, _, err = churnkit("--csv-encoding", "no-such", "doctor", folder=tmp_path)
    assert code == REFUSED
    assert "there is no encoding 'no-such'" in err


class TestOpenQuestions:
    """What cannot be inferred is drafted with a question, which training repeats."""

    @pytest.fixture
    def drafted(self, churnkit, tmp_path):
        def drafted(header, rows, *options):
            table = write(tmp_path / "customers.csv", header, rows)
            code, _, err = churnkit("init", "project", "--from", table, *options, folder=tmp_path)
            assert code == DONE, err
            return " ".join(err.split())

        return drafted

    @pytest.fixture
    def question(self, churnkit, tmp_path, drafted):
        """Draft a project with one question, and check that training repeats it."""

        def question(header, rows, *options):
            err = drafted(header, rows, *options)
            assert "open question in project/schemas/customers.py:" in err
            asked = err.partition("open question in project/")[2].partition(" next: ")[0]
            code, _, err = churnkit("train", folder=tmp_path / "project")
            assert code == REFUSED
            assert asked in " ".join(err.split())
            line = int(asked.split(":")[1])
            schema = (tmp_path / "project/schemas/customers.py").read_text().splitlines()
            assert "todo=" in schema[line - 1]
            return asked

        return question

    def test_few_rows_are_drafted_with_what_training_needs(self, drafted):
        rows = [["a", 1, 0], ["b", 2, 1], ["c", 3, 0]]
        err = drafted(["customer_id", "use", "churn"], rows)
        assert "training will be refused" in err
        assert "use a longer period or more customers" in err

    def test_a_label_of_one_value(self, question):
        rows = [[n, n % 5, "Yes"] for n in range(60)]
        asked = question(["customer_id", "use", "churn"], rows, "--label", "churn")
        assert "column 'churn': has one value only" in asked

    @pytest.mark.parametrize("values", ["AB", "abc", "12", ["Cancelled", "Churned", "Active"]])
    def test_values_of_which_none_clearly_means_churned(self, question, values):
        rows = [[n, n % 5, values[n % len(values)]] for n in range(60)]
        asked = question(["customer_id", "use", "churn"], rows, "--label", "churn")
        assert "set positive to one of" in asked
        assert all(f"'{value}'" in asked for value in values)

    @pytest.mark.parametrize("name", ["flag", "stufe", "segmento"])
    def test_a_name_that_does_not_show_the_polarity(self, question, name):
        rows = [[n, n % 5, n % 2] for n in range(60)]
        asked = question(["customer_id", "use", name], rows, "--label", name)
        assert "the name does not show whether '1' or '0' means churned" in asked

    def test_a_table_without_a_label_lists_the_columns_with_two_values(self, question):
        rows = [[n, n % 5, n % 2, "xy"[n % 2]] for n in range(60)]
        asked = question(["customer_id", "use", "vip", "gender"], rows)
        assert "columns with two values: 'gender', 'vip'; is it 'gender'?" in asked
        assert "if the outcomes are in another file, join them" in asked

    def test_a_table_without_any_column_of_two_values(self, question):
        rows = [[n, n % 5, n % 7] for n in range(60)]
        assert "column 'churned': no column" in question(["customer_id", "use", "age"], rows)

    def test_a_customer_in_two_rows_that_differ(self, question):
        rows = [[n % 50, n % 7, n % 2] for n in range(60)]
        asked = question(["customer_id", "use", "churn"], rows)
        assert "repeats a customer in 10 rows with other values" in asked

    def test_dates_of_either_order(self, question):
        rows = [
            [n % 40, f"0{n // 40 + 1}/0{n // 40 + 4}/2024", n % 7, n % 3 == 0] for n in range(80)
        ]
        asked = question(["customer_id", "snapshot", "use", "churn"], rows)
        assert "the dates fit 'DD/MM/YYYY' and 'MM/DD/YYYY'" in asked

    @pytest.mark.usefixtures("fast_profile")
    def test_an_answered_question_is_trained(self, churnkit, tmp_path, question, migrated_store):
        rows = [[r["id"], r["months"], r["plan"], 1 + r["left"]] for r in business()]
        asked = question(["customer_id", "months", "plan", "churn"], rows)
        schema = tmp_path / "project/schemas/customers.py"
        text = schema.read_text()
        todo = next(line for line in text.splitlines(keepends=True) if "todo=" in line)
        assert "'1', '2'" in asked
        (tmp_path / "project/.churnkit").mkdir(exist_ok=True)
        shutil.copyfile(migrated_store, tmp_path / "project/.churnkit/mlflow.db")
        schema.write_text(text.replace(todo, ""))
        code, _, err = churnkit("train", folder=tmp_path / "project")
        assert code == REFUSED
        assert "a text label needs the value for churned" in err
        schema.write_text(text.replace(todo, 'positive="2",\n'))
        code, _, err = churnkit("train", folder=tmp_path / "project")
        assert code == DONE, err


def test_commands_quote_a_file_name_with_blanks(churnkit, tmp_path):
    rows = [f"{at},{at % 7},{'yes' if at % 3 == 0 else 'no'}" for at in range(120)]
    (tmp_path / "my customers.csv").write_text("\n".join(["id,calls,churned", *rows]) + "\n")
    code, _, err = churnkit("init", "my shop", "--from", "my customers.csv", folder=tmp_path)
    assert code == DONE
    assert "cd 'my shop' && churnkit train" in err
    readme = (tmp_path / "my shop" / "README.md").read_text()
    assert "churnkit score '../my customers.csv' -o" in readme
