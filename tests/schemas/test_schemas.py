"""The schemas of this project fit its tables, and say things as a person would."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

import pandas as pd
import pandera.errors
import pytest

from churnkit.contracts import Contract
from churnkit.datasets import load, simulate
from churnkit.pipeline.demo import add_accounts

SCHEMAS = Path(__file__).parents[2] / "schemas"
FAMILIES = ("customers", "subscriptions", "events", "tickets", "surveys", "treatments")


def schema_of(name):
    spec = importlib.util.spec_from_file_location(f"schemas.{name}", SCHEMAS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, name.capitalize())


@pytest.fixture(scope="module")
def frames():
    business = simulate(1500, 16, seed=8)
    frames = {name: table.to_pandas() for name, table in business.tables.items()}
    return {**frames, "demo": add_accounts(business.snapshot()).to_pandas()}


@pytest.mark.parametrize("name", [*FAMILIES, "demo"])
def test_every_simulated_table_passes_its_schema(frames, name):
    schema = schema_of(name).to_schema()
    assert list(schema.columns) == frames[name].columns.tolist()
    schema.validate(frames[name], lazy=True)


@pytest.mark.parametrize("name", [*FAMILIES, "demo"])
def test_a_table_with_nanoseconds_passes_too(frames, name):
    frame = frames[name].copy()
    for column in frame.select_dtypes("datetimetz"):
        frame[column] = frame[column].dt.as_unit("ns")
    schema_of(name).to_schema().validate(frame, lazy=True)


@pytest.mark.parametrize(
    ("name", "column", "value"),
    [
        ("customers", "customer_id", "someone"),
        ("customers", "region", "Nowhere"),
        ("subscriptions", "seats", 0),
        ("subscriptions", "mrr", -1.0),
        ("events", "event_type", "unheard of"),
        ("tickets", "topic", "unheard of"),
        ("surveys", "score", 11.0),
        ("treatments", "propensity", 0.0),
        ("treatments", "action", "gift"),
        ("demo", "plan", "Gold"),
        ("demo", "last_csat", 0.0),
        ("demo", "tenure_months", -1),
    ],
)
def test_a_wrong_value_is_refused_by_column(frames, name, column, value):
    frame = frames[name].copy()
    frame.loc[frame.index[0], column] = value
    with pytest.raises(pandera.errors.SchemaError, match=column):
        schema_of(name).to_schema().validate(frame)


@pytest.mark.parametrize("name", [*FAMILIES, "demo", "telco"])
def test_every_schema_compiles_to_a_contract(name):
    contract = Contract.from_schema(schema_of(name))
    assert [column.role for column in contract.columns].count("entity") == 1
    assert not any("_" in column.title for column in contract.columns)


def test_the_demo_has_a_label_a_value_consent_and_personal_data():
    columns = {column.name: column for column in Contract.from_schema(schema_of("demo")).columns}
    assert columns["churned"].role == "label"
    assert columns["mrr"].roles == ("feature", "value")
    assert columns["contact_consent"].role == "context"
    assert columns["email"].role == "pii"
    assert sum(column.role == "feature" for column in columns.values()) == 25


@pytest.mark.parametrize(
    ("schema", "column", "value", "words"),
    [
        ("telco", "Contract", "Month-to-month", "Month-to-month contract"),
        ("telco", "InternetService", "Fiber optic", "Fiber optic internet"),
        ("telco", "InternetService", "No", "No internet"),
        ("telco", "TechSupport", "No", "No tech support"),
        ("telco", "PaymentMethod", "Electronic check", "Pays by electronic check"),
        ("telco", "tenure", 2, "Customer for 2 months"),
        ("telco", "MonthlyCharges", 70.35, "Monthly charges: $70.35 a month"),
        ("demo", "contract", "Annual", "Annual contract"),
        ("demo", "open_ticket_days", 42.0, "A ticket open for 42 days"),
        ("demo", "days_since_use", float("nan"), "Days since last use: not known"),
        ("demo", "onboarded", False, "Onboarding not finished"),
    ],
)
def test_reasons_read_well(schema, column, value, words):
    columns = {found.name: found for found in Contract.from_schema(schema_of(schema)).columns}
    assert columns[column].describe(value) == words


def test_telco_declares_all_columns_of_the_published_table():
    columns = {column.name: column for column in Contract.from_schema(schema_of("telco")).columns}
    assert len(columns) == 21
    assert columns["customerID"].role == "entity"
    assert columns["MonthlyCharges"].roles == ("feature", "value")
    assert columns["TotalCharges"].nullable
    assert columns["Churn"].positive == "Yes"


@pytest.mark.data
def test_telco_passes_its_schema_once_blanks_are_missing(monkeypatch):
    import os

    if not os.environ.get("CHURNKIT_DATA_DIR"):
        pytest.skip("CHURNKIT_DATA_DIR is not set: the public data sets are not at hand")
    frame = load("telco").to_pandas()
    schema = schema_of("telco").to_schema()
    assert frame.columns.tolist() == list(schema.columns)
    with pytest.raises(pandera.errors.SchemaError, match="TotalCharges"):
        schema.validate(frame)
    frame["TotalCharges"] = pd.to_numeric(frame["TotalCharges"].str.strip().replace("", None))
    assert frame["TotalCharges"].isna().sum() == 11
    schema.validate(frame, lazy=True)


@pytest.mark.parametrize("path", sorted(SCHEMAS.glob("*.py")), ids=lambda path: path.stem)
def test_a_schema_imports_only_churnkit_and_types(path):
    tree = ast.parse(path.read_text())
    names = {
        alias.name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    } | {
        str(node.module).split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
    }
    assert names <= {"churnkit", "pandas", "typing"}
