"""Tables in the shapes of public churn data sets: drafted, trained and scored without an edit.

The rows are synthetic; names of columns, labels, blanks and formats are those of the originals.
"""

from __future__ import annotations

import io
import json
import shutil
from typing import Any

import numpy as np
import pandas as pd
import pytest

from churnkit.cli.main import DONE

pytest.importorskip("mlflow", reason="the extra 'train' is not installed")

ROWS = 700


class Business:
    """Customers whose risk falls with tenure and visits and depends on their plan."""

    def __init__(self, seed, rows=ROWS):
        self.rows = rows
        self.random = np.random.default_rng(seed)
        self.tenure = self.random.integers(1, 73, rows)
        self.visits = self.random.poisson(6.0, rows)
        self.fee = np.round(self.random.gamma(6.0, 11.0, rows) + 5.0, 2)
        self.plan = self.random.integers(0, 3, rows)
        risk = 2.0 - 0.1 * self.tenure - 0.9 * (self.visits - 6) + 2.0 * (self.plan == 0)
        self.left = self.random.random(rows) < 1.0 / (1.0 + np.exp(-risk))

    def choice(self, *values):
        return self.random.choice(values, self.rows)

    def plans(self, *values):
        return np.array(values)[self.plan]

    def outcome(self, churned, stayed):
        return np.where(self.left, churned, stayed)


def table(path, columns, **options):
    pd.DataFrame(columns).to_csv(path, index=False, **options)
    return path


def telco(folder):
    b = Business(1)
    total = [" " if t < 3 else f"{t * f:.2f}" for t, f in zip(b.tenure, b.fee, strict=True)]
    columns = {
        "customerID": [f"{n:04d}-ABCDE" for n in range(b.rows)], "gender": b.choice("Male", "Female"),
        "SeniorCitizen": b.random.integers(0, 2, b.rows), "tenure": b.tenure,
        "OnlineSecurity": b.choice("Yes", "No", "No internet service"),
        "Contract": b.plans("Month-to-month", "One year", "Two year"),
        "PaperlessBilling": b.choice("Yes", "No"), "MonthlyCharges": b.fee, "TotalCharges": total,
        "Churn": b.outcome("Yes", "No"),
    }  # fmt: skip
    return table(folder / "telco.csv", columns)


def bank_churners(folder):
    b = Business(2)
    columns = {
        "CLIENTNUM": b.random.permutation(np.arange(708082083, 708082083 + b.rows)),
        "Attrition_Flag": b.outcome("Attrited Customer", "Existing Customer"),
        "Customer_Age": b.random.integers(22, 80, b.rows), "Gender": b.choice("F", "M"),
        "Income_Category": b.choice("$60K - $80K", "Less than $40K", "Unknown"),
        "Card_Category": b.plans("Blue", "Silver", "Gold"), "Months_on_book": b.tenure,
        "Total_Trans_Ct": b.visits * 9, "Credit_Limit": b.fee * 90,
        "Naive_Bayes_Classifier_Attrition_Flag_1": np.where(b.left, 0.99, 0.0001) + b.random.random(b.rows) * 1e-5,
        "Naive_Bayes_Classifier_Attrition_Flag_2": np.where(b.left, 0.01, 0.9999) + b.random.random(b.rows) * 1e-5,
    }  # fmt: skip
    return table(folder / "BankChurners.csv", columns)


def bank_modelling(folder):
    b = Business(3)
    columns = {
        "RowNumber": np.arange(1, b.rows + 1),
        "CustomerId": b.random.permutation(np.arange(15565701, 15565701 + b.rows)),
        "Surname": [f"Name{n % 500}" for n in range(b.rows)], "CreditScore": b.random.integers(350, 850, b.rows),
        "Geography": b.choice("France", "Spain", "Germany"), "Tenure": b.tenure // 7,
        "Balance": np.where(b.visits < 4, 0.0, b.fee * 1000), "NumOfProducts": b.plan + 1,
        "IsActiveMember": (b.visits > 5).astype(int), "EstimatedSalary": b.fee * 1500.5,
        "Exited": b.left.astype(int),
    }  # fmt: skip
    return table(folder / "Churn_Modelling.csv", columns)


def e_commerce(folder):
    b = Business(4)
    tenure = np.where(b.random.random(b.rows) < 0.05, np.nan, b.tenure)
    columns = {
        "CustomerID": np.arange(50001, 50001 + b.rows), "Churn": b.left.astype(int), "Tenure": tenure,
        "PreferredLoginDevice": b.choice("Mobile Phone", "Phone", "Computer"), "CityTier": b.plan + 1,
        "HourSpendOnApp": np.where(b.random.random(b.rows) < 0.05, np.nan, b.visits),
        "SatisfactionScore": b.random.integers(1, 6, b.rows), "CashbackAmount": b.fee,
    }  # fmt: skip
    return table(folder / "E Commerce Dataset.csv", columns)


def music_streaming(folder):
    b = Business(5)
    columns = {
        "msno": [f"{n * 2654435761 % 2**32:08x}Xy+/{n:04d}=" for n in range(b.rows)],
        "is_churn": b.left.astype(int), "city": b.random.integers(1, 22, b.rows), "bd": b.random.integers(0, 70, b.rows),
        "gender": np.where(b.random.random(b.rows) < 0.5, b.choice("male", "female"), ""),
        "registered_via": b.plans(3, 7, 9), "registration_init_time": 20150101 + b.tenure % 28,
        "num_100": b.visits * 10, "total_secs": b.fee * 997.25, "plan_list_price": b.plans(99, 149, 180),
        "is_auto_renew": b.random.integers(0, 2, b.rows), "membership_days": b.tenure * 30,
    }  # fmt: skip
    return table(folder / "kkbox_members.csv", columns)


def wide_telecom(folder):
    b = Business(6)
    columns = {"CustomerID": np.arange(3000002, 3000002 + b.rows), "Churn": b.outcome("Yes", "No")}
    columns |= {f"Usage{n}": np.round(b.random.normal(50, 20, b.rows), 2) for n in range(32)}
    columns |= {f"Flag{n}": b.choice("Yes", "No") for n in range(20)}
    columns |= {"MonthsInService": b.tenure, "CustomerCareCalls": b.visits, "CreditRating": b.plans("1-Highest", "2-High", "3-Good")}  # fmt: skip
    columns |= {"MonthlyRevenue": np.where(b.random.random(b.rows) < 0.02, np.nan, b.fee)}
    return table(folder / "cell2celltrain.csv", columns)


def churn_in_telecom(folder):
    b = Business(7)
    columns = {
        "State": b.choice("KS", "OH", "NJ", "OK", "AL"), "Account Length": b.tenure,
        "Area Code": b.choice(408, 415, 510),
        "Phone": [f" {330 + n % 70}-{1000 + n:04d}" for n in range(b.rows)],
        "Int'l Plan": b.plans(" yes", " no", " no"), "Day Mins": b.fee, "CustServ Calls": b.visits,
        "Churn?": b.outcome(" True.", " False."),
    }  # fmt: skip
    return table(folder / "churn.txt", columns)


def churn_in_telecom_without_id(folder):
    b = Business(8)
    columns = {
        "state": b.choice("KS", "OH", "NJ", "OK", "AL"), "account_length": b.tenure,
        "area_code": b.choice("area_code_408", "area_code_415"), "international_plan": b.plans("yes", "no", "no"),
        "total_day_minutes": b.fee, "number_customer_service_calls": b.visits, "churn": b.outcome("yes", "no"),
    }  # fmt: skip
    return table(folder / "train.csv", columns)


def internet_service(folder):
    b = Business(9)
    columns = {
        "id": b.random.permutation(np.arange(15, 15 + 3 * b.rows, 3)), "is_tv_subscriber": (b.plan == 0).astype(int),
        "subscription_age": b.tenure / 6.0, "bill_avg": b.fee,
        "reamining_contract": np.where(b.random.random(b.rows) < 0.3, np.nan, b.visits / 3.0),
        "download_avg": b.visits * 7.1, "churn": b.left.astype(int),
    }  # fmt: skip
    return table(folder / "internet_service_churn.csv", columns)


def human_resources(folder):
    b = Business(10)
    columns = {
        "Age": b.random.integers(18, 60, b.rows), "Attrition": b.outcome("Yes", "No"),
        "BusinessTravel": b.plans("Travel_Frequently", "Travel_Rarely", "Non-Travel"),
        "EmployeeCount": 1, "EmployeeNumber": np.arange(1, 2 * b.rows, 2), "MonthlyIncome": b.fee * 100,
        "Over18": "Y", "OverTime": b.choice("Yes", "No"), "StandardHours": 80,
        "YearsAtCompany": b.tenure // 6, "TrainingTimesLastYear": b.visits,
    }  # fmt: skip
    return table(folder / "WA_Fn-UseC_-HR-Employee-Attrition.csv", columns)


def insurance(folder):
    b = Business(11)
    columns = {
        "Policy Number": [f"P-{100000 + n}" for n in b.random.permutation(b.rows)],
        "Region": b.choice("North", "South"), "Premium": [f"${x * 30:,.2f}" for x in b.fee],
        "Claims": b.visits, "Months Since Inception": b.tenure, "Cover": b.plans("Basic", "Extended", "Premium"),
        "Renewed": b.outcome("No", "Yes"),
    }  # fmt: skip
    return table(folder / "insurance renewal.csv", columns)


def gym(folder):
    b = Business(12)
    columns = {
        "": np.arange(b.rows), "gender": b.random.integers(0, 2, b.rows), "Near_Location": b.random.integers(0, 2, b.rows),
        "Contract_period": b.plans(1, 6, 12), "Lifetime": b.tenure, "Age": b.random.integers(18, 60, b.rows),
        "Avg_class_frequency_current_month": b.visits / 3.0, "Avg_additional_charges_total": b.fee,
        "Churn": b.left.astype(int),
    }  # fmt: skip
    return table(folder / "gym_churn_us.csv", columns)


def software(folder):
    b = Business(13)
    start = pd.Timestamp("2022-01-01") + pd.to_timedelta(
        b.random.integers(0, 700, b.rows), unit="D"
    )
    columns = {
        "account_id": [f"acc_{n:05d}" for n in range(b.rows)], "signup_date": start.strftime("%m/%d/%Y"),
        "plan": b.plans("Free", "Team", "Enterprise"), "seats": b.visits, "months": b.tenure,
        "mrr": [f"${x:.0f}" for x in b.fee], "storage": [f"{x:.1f} GB" for x in b.fee / 9],
        "status": b.outcome("Cancelled", "Active"),
    }  # fmt: skip
    return table(folder / "saas_accounts.csv", columns)


def hotel_bookings(folder):
    b = Business(14)
    columns = {
        "hotel": b.choice("Resort Hotel", "City Hotel"), "is_canceled": b.left.astype(int), "lead_time": b.tenure * 4,
        "arrival_date_month": b.choice("July", "August", "May"), "adults": b.plan + 1, "adr": b.fee,
        "agent": np.where(b.random.random(b.rows) < 0.2, np.nan, b.choice(9.0, 240.0, 14.0)),
        "company": "NULL", "total_of_special_requests": b.visits,
        "reservation_status": b.outcome("Canceled", "Check-Out"),
        "reservation_status_date": [f"2015-07-{n % 28 + 1:02d}" for n in range(b.rows)],
    }  # fmt: skip
    return table(folder / "hotel_bookings.csv", columns)


def german(folder):
    b = Business(15)
    columns = {
        "Kundennummer": [f"K{n:06d}" for n in range(b.rows)], "Tarif": b.plans("Günstig", "Plus", "Profi"),
        "Vertragsbeginn": [f"{n % 28 + 1:02d}.{n % 12 + 1:02d}.2023" for n in range(b.rows)],
        "Laufzeit (Monate)": b.tenure, "Umsatz, netto": [f"{x * 40:,.2f}".translate(str.maketrans(",.", ".,")) for x in b.fee],
        "Kontakte": b.visits, "Gekündigt": b.outcome("ja", "nein"),
    }  # fmt: skip
    return table(folder / "Kundenliste.csv", columns, sep=";", encoding="cp1252")


def french(folder):
    b = Business(16)
    columns = {
        "N° client": np.arange(900100, 900100 + b.rows), "Formule": b.plans("Éco", "Confort", "Élite"),
        "Ancienneté": b.tenure, "Montant mensuel": [f"{x:.2f} €".replace(".", ",") for x in b.fee],
        "Appels": b.visits, "Résilié": b.outcome("Oui", "Non"),
    }  # fmt: skip
    body = pd.DataFrame(columns).to_csv(index=False, sep=";")
    (folder / "clients.csv").write_bytes(f"Export clients;;;;;\n\n{body}".encode("utf-8-sig"))
    return folder / "clients.csv"


def spanish(folder):
    b = Business(17)
    columns = {
        "id_cliente": np.arange(1, b.rows + 1) * 7, "Antigüedad": b.tenure, "Plan": b.plans("Básico", "Medio", "Oro"),
        "Visitas": b.visits, "Importe": [f"{x:.2f}".replace(".", ",") for x in b.fee],
        "Situación": b.outcome("Baja", "Alta"), "Estado": b.outcome("Baja", "Activo"),
    }  # fmt: skip
    columns.pop("Situación")
    return table(folder / "socios.csv", columns, sep="\t", encoding="utf-16")


def portuguese_panel(folder):
    months = []
    for month in (1, 2, 3):
        b = Business(18 + month, rows=300)
        months.append(
            pd.DataFrame(
                {
                    "codigo_cliente": [f"C{n:04d}" for n in range(b.rows)], "mes": f"01/{month:02d}/2024",
                    "plano": b.plans("Básico", "Padrão", "Ouro"), "tempo": b.tenure, "visitas": b.visits,
                    "mensalidade": [f"R$ {x:.2f}".replace(".", ",") for x in b.fee],
                    "cancelou": b.outcome("Sim", "Não"),
                }
            )
        )  # fmt: skip
    text = pd.concat(months).assign(dia=None)
    text = text.drop(columns="dia")
    text.loc[text.mes == "01/03/2024", "mes"] = "31/03/2024"
    return table(folder / "clientes.csv", text, sep=";")


SHAPES = {
    telco: ("customerID", "Churn", {"TotalCharges", "Contract"}, set()),
    bank_churners: ("CLIENTNUM", "Attrition_Flag", {"Income_Category"}, {"Naive_Bayes_Classifier_Attrition_Flag_1"}),
    bank_modelling: ("CustomerId", "Exited", {"IsActiveMember", "Balance"}, {"RowNumber", "Surname"}),
    e_commerce: ("CustomerID", "Churn", {"Tenure", "HourSpendOnApp"}, set()),
    music_streaming: ("msno", "is_churn", {"num_100", "is_auto_renew", "registration_init_time"}, set()),
    wide_telecom: ("CustomerID", "Churn", {"Usage0", "Flag19", "MonthlyRevenue"}, set()),
    churn_in_telecom: ("row", "Churn?", {"Day Mins", "Int'l Plan"}, {"Phone"}),
    churn_in_telecom_without_id: ("row", "churn", {"area_code", "total_day_minutes"}, set()),
    internet_service: ("id", "churn", {"reamining_contract"}, set()),
    human_resources: ("EmployeeNumber", "Attrition", {"OverTime", "MonthlyIncome"}, {"Over18", "StandardHours"}),
    insurance: ("Policy Number", "Renewed", {"Premium", "Cover"}, set()),
    gym: ("row", "Churn", {"Lifetime"}, set()),
    software: ("account_id", "status", {"mrr", "storage", "signup_date"}, set()),
    hotel_bookings: ("row", "is_canceled", {"lead_time", "agent"}, {"reservation_status", "company"}),
    german: ("Kundennummer", "Gekündigt", {"Umsatz, netto", "Tarif", "Vertragsbeginn"}, set()),
    french: ("N° client", "Résilié", {"Montant mensuel", "Formule"}, set()),
    spanish: ("id_cliente", "Estado", {"Importe", "Plan"}, set()),
    portuguese_panel: ("codigo_cliente", "cancelou", {"mensalidade", "plano"}, set()),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("make", SHAPES, ids=lambda make: make.__name__)
def test_a_table_is_drafted_trained_and_scored_without_an_edit(
    churnkit, tmp_path, migrated_store, make
):
    entity, label, features, left_out = SHAPES[make]
    path = make(tmp_path)
    code, out, err = churnkit("init", "project", "--from", path, "--json", folder=tmp_path)
    assert code == DONE, err
    drafted = json.loads(out)
    roles = {column["column"]: column["role"] for column in drafted["columns"]}
    assert drafted["questions"] == []
    assert (roles[entity], roles[label]) == ("entity", "label")
    assert {name for name in features if roles[name] == "feature"} == features
    assert {name for name in left_out if roles[name] in {"ignore", "pii"}} == left_out
    project = tmp_path / "project"
    recipe = project / "training" / f"{drafted['recipe']}.py"
    text = recipe.read_text(encoding="utf-8")
    fast = 'recipe = Recipe(\n    model=ChurnClassifier(profile="fast"),'
    text = text.replace("recipe = Recipe(", fast)
    text = text.replace(
        "from churnkit.pipeline",
        "from churnkit.models import ChurnClassifier\nfrom churnkit.pipeline",
        1,
    )
    recipe.write_text(text, encoding="utf-8")
    (project / ".churnkit").mkdir(exist_ok=True)
    shutil.copyfile(migrated_store, project / ".churnkit" / "mlflow.db")
    code, out, err = churnkit("train", "--json", folder=project)
    assert code == DONE, err
    assert json.loads(out)["evaluation"]["metrics"]["auc"]["value"] > 0.65
    code, out, err = churnkit("score", path, folder=project)
    assert code == DONE, err
    scores = pd.read_csv(io.StringIO(out))
    assert list(scores.columns) == [entity, "churn_probability"]
    churned = outcomes(make, path)
    assert len(scores) == len(churned)
    assert scores["churn_probability"].notna().all()
    # A reversed label would score the customers who left lower.
    probability = scores["churn_probability"].to_numpy()
    assert probability[churned].mean() > probability[~churned].mean() + 0.1
    if entity == "row":
        assert scores["row"].tolist() == list(range(len(scores)))


DIALECTS: dict[object, dict[str, Any]] = {
    german: {"sep": ";", "encoding": "cp1252"},
    french: {"sep": ";", "skiprows": 2},
    spanish: {"sep": "\t", "encoding": "utf-16"},
    portuguese_panel: {"sep": ";"},
}
CHURNED = {
    "Yes", "1", "Attrited Customer", "True.", "yes", "Cancelled", "ja", "Oui", "Baja", "Sim",
}  # fmt: skip


def outcomes(make, path):
    """Read the label with pandas, and compare it with the value for churned of each data set."""
    label = SHAPES[make][1]
    values = pd.read_csv(path, **DIALECTS.get(make, {}))[label].astype(str).str.strip()
    churned = {"No"} if make is insurance else CHURNED
    return values.isin(churned).to_numpy()
