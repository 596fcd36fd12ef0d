"""Single tables with the layouts of well-known public sets, and the right reading of each.

The rows are synthetic
names of columns, labels, blanks and formats are those of the originals.
"""

# fmt: off

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

ROWS = 400


class Business:
    """Customers whose risk falls with tenure and visits and depends on their plan."""

    def __init__(self, seed: int, rows: int | None = None) -> None:
        self.rows = rows = rows or ROWS
        self.random = random = np.random.default_rng(seed)
        self.tenure = random.integers(1, 73, rows)
        self.visits = random.poisson(6.0, rows)
        self.fee = np.round(random.gamma(6.0, 11.0, rows) + 5.0, 2)
        self.plan = random.integers(0, 3, rows)
        risk = 2.0 - 0.1 * self.tenure - 0.9 * (self.visits - 6) + 2.0 * (self.plan == 0)
        self.left = random.random(rows) < 1.0 / (1.0 + np.exp(-risk))

    def choice(self, *values: Any) -> Any:
        return self.random.choice(values, self.rows)

    def plans(self, *values: Any) -> Any:
        return np.array(values)[self.plan]

    def outcome(self, churned: Any, stayed: Any) -> Any:
        return np.where(self.left, churned, stayed)

    def blank(self, column: NDArray[Any], share: float = 0.05) -> Any:
        return np.where(self.random.random(self.rows) < share, np.nan, column)


@dataclass
class Case:
    """A file and its right reading.

    Parameters
    ----------
    path
        The file.
    left
        Rows that churned, in the order of the file.
    entity, label
        Columns of the customer and of the label, one of several.
    numbers
        Numbers of columns, in the order of the file.
    out
        Columns that must not be features.
    features
        Columns that must be features.
    question
        Part of the open question, for tables that need an answer.
    """

    path: Path
    left: NDArray[np.bool_]
    entity: str
    label: str | tuple[str, ...]
    numbers: dict[str, Any] = field(default_factory=dict)
    out: set[str] = field(default_factory=set)
    features: set[str] = field(default_factory=set)
    question: str = ""


def write_csv(path: Path, columns: Any, **options: Any) -> Path:
    pd.DataFrame(columns).to_csv(path, index=options.pop("index", False), **options)
    return path


def iranian_telecom(folder: Path) -> Case:
    b = Business(101)
    c: dict[str, Any] = {"Call  Failure": b.random.integers(0, 30, b.rows), "Complains": b.random.integers(0, 2, b.rows),
         "Subscription  Length": b.tenure, "Charge  Amount": b.random.integers(0, 10, b.rows),
         "Seconds of Use": b.visits * 700, "Frequency of use": b.visits * 10, "Age Group": b.plan + 1,
         "Tariff Plan": b.random.integers(1, 3, b.rows), "Status": np.where(b.visits > 4, 1, 2),
         "Age": b.choice(15, 25, 30, 45, 55),
         "Customer Value": b.fee * 3.15, "FN": b.fee * 2.8, "FP": b.fee * .35, "Churn": b.left.astype(int)}
    return Case(write_csv(folder / "Customer Churn.csv", c), b.left, "row", "Churn",
        {"Seconds of Use": b.visits * 700.0, "Customer Value": b.fee * 3.15}, features={"Call  Failure"})


def newspaper(folder: Path) -> Case:
    b = Business(102)
    c: dict[str, Any] = {"SubscriptionID": b.random.permutation(np.arange(180000000, 180000000 + b.rows)),
        "HH Income": b.choice("$  30,000 - $39,999", "Under $20,000", "$500,000 Plus"),
         "Home Ownership": b.choice("RENTER", "OWNER"), "Ethnicity": b.choice("German", "English", "Hispanic"),
         "dummy for Children": b.choice("Y", "N"),
         "Year Of Residence": b.tenure, "Age range": b.choice("25-29", "30-34", "75 years or more", ""),
         "Language": b.choice("English", "Spanish"),
         "Address": [f"{n} W GARRY AVE APT {n % 9}" for n in range(b.rows)], "State": "CA",
         "City": b.choice("SANTA ANA", "TUSTIN"), "County": "ORANGE", "Zip Code": b.choice(92704, 92780),
         "weekly fee": b.plans("$7.00 - $7.99", "$0.01 - $0.50", "$8.00 - $8.99"),
         "Deliveryperiod": b.plans("7Day", "SunOnly", "7DayOL"), "Nielsen Prizm": b.choice("FM", "MW"),
         "reward program": b.visits, "Source Channel": b.choice("CustCall", "Partner", "iSrvices"),
             "Subscriber": b.outcome("NO", "YES")}
    p = folder / "NewspaperChurn new version.xlsx"
    pd.DataFrame(c).to_excel(p, index=False, sheet_name="NewspaperChurn")
    return Case(p, b.left, "SubscriptionID", "Subscriber", out={"Address", "State"},
        question="is it 'Subscriber'?")


def churn_risk(folder: Path) -> Case:
    b = Business(103)
    c: dict[str, Any] = {"": np.arange(b.rows),
        "security_no": [f"XW0DQ{n:02X}Z" if n % 2 else f"5K0N3{n:04X}" for n in range(b.rows)],
        "age": b.random.integers(10, 64, b.rows), "gender": b.choice("F", "M", "Unknown"),
         "region_category": b.choice("Village", "City", "Town", ""),
         "membership_category": b.plans("No Membership", "Basic Membership", "Premium Membership"),
         "joining_date": (pd.Timestamp("2017-12-31") - pd.to_timedelta(b.tenure * 14,
         unit="D")).strftime("%Y-%m-%d"), "joined_through_referral": b.choice("?", "Yes", "No"),
         "referral_id": ["xxxxxxxx" if n % 2 else f"CID{n + 1000}" for n in range(b.rows)],
         "medium_of_operation": b.choice("?", "Desktop", "Smartphone"),
         "last_visit_time": [f"{n % 24:02d}:{n % 60:02d}:07" for n in range(b.rows)],
         "days_since_last_login": np.where(b.random.random(b.rows) < .05, -999,
         b.random.integers(1, 26, b.rows)), "avg_time_spent": b.fee * 7.7,
         "avg_frequency_login_days": [("Error" if n % 20 == 0 else str(float(v))) for n,
         v in enumerate(b.visits)], "points_in_wallet": b.blank(b.fee * 11, .1),
         "past_complaint": b.choice("Yes", "No"),
             "complaint_status": b.choice("Not Applicable", "Solved", "Unsolved"),
             "feedback": b.choice("Poor Website", "Too many ads", "Reasonable Price"),
             "churn_risk_score": b.left.astype(int)}
    return Case(write_csv(folder / "churn.csv", c), b.left, "security_no", "churn_risk_score",
        {"avg_frequency_login_days": np.array([np.nan if n % 20 == 0 else float(v) for n,
        v in enumerate(b.visits)])}, out={"unnamed 1", "last_visit_time"},
        features={"joining_date"})


def telco_extended(folder: Path) -> Case:
    b = Business(104)
    c: dict[str, Any] = {"CustomerID": [f"{n:04d}-QPYBK" for n in range(b.rows)], "Count": 1, "Country": "United States",
        "State": "California", "City": b.choice("Los Angeles", "San Diego"),
        "Zip Code": b.random.integers(90001, 96161, b.rows),
         "Lat Long": [f"33.{n}, -118.{n}" for n in range(b.rows)], "Latitude": 33 + b.random.random(b.rows),
         "Longitude": -118 - b.random.random(b.rows), "Gender": b.choice("Male", "Female"),
         "Tenure Months": b.tenure,
         "Contract": b.plans("Month-to-month", "One year", "Two year"),
         "Paperless Billing": b.choice("Yes", "No"), "Monthly Charges": b.fee,
         "Total Charges": [" " if t < 3 else f"{t * v:.2f}" for t, v in zip(b.tenure, b.fee, strict=True)],
         "Support": b.visits,
         "Churn Label": b.outcome("Yes", "No"), "Churn Value": b.left.astype(int),
         "Churn Score": np.clip(np.where(b.left, 82, 50) + b.random.integers(-18, 18, b.rows), 5, 100),
         "CLTV": b.random.integers(2003, 6500, b.rows),
         "Churn Reason": np.where(b.left,
             b.choice("Competitor made better offer", "Moved", "Attitude of support person"), "")}
    p = folder / "Telco_customer_churn.xlsx"
    pd.DataFrame(c).to_excel(p, index=False, sheet_name="Telco_Churn")
    total = np.array([np.nan if t < 3 else round(t * v, 2) for t, v in zip(b.tenure, b.fee, strict=True)])
    return Case(p, b.left, "CustomerID", ("Churn Label", "Churn Value"), {"Total Charges": total},
        out={"Churn Reason", "Churn Score", "Count", "Churn Value"}, features={"Contract"})


def maven_telecom(folder: Path) -> Case:
    b = Business(105)
    joined = (b.tenure < 4) & ~b.left
    c: dict[str, Any] = {"Customer ID": [f"{n:04d}-ORFBO" for n in range(b.rows)], "Gender": b.choice("Female", "Male"),
        "Age": b.random.integers(19, 80, b.rows), "Married": b.choice("Yes", "No"),
        "City": b.choice("La Cañada Flintridge", "Fresno"), "Zip Code": b.random.integers(90001, 96161, b.rows),
         "Latitude": 33 + b.random.random(b.rows), "Longitude": -118 - b.random.random(b.rows),
         "Number of Referrals": b.visits, "Tenure in Months": b.tenure,
         "Offer": b.choice("None", "Offer E", "Offer D"), "Internet Type": b.choice("Cable", "Fiber Optic", ""),
         "Avg Monthly GB Download": b.blank(b.random.integers(2, 85, b.rows), .2),
         "Contract": b.plans("Month-to-Month", "One Year", "Two Year"), "Monthly Charge": b.fee,
         "Total Refunds": b.choice(0.0, 12.5), "Total Revenue": b.fee * b.tenure,
         "Customer Status": np.where(b.left, "Churned", np.where(joined, "Joined", "Stayed")),
             "Churn Category": np.where(b.left, b.choice("Competitor", "Price"), ""),
             "Churn Reason": np.where(b.left, b.choice("Better devices", "Moved"), "")}
    return Case(write_csv(folder / "telecom_customer_churn.csv", c, encoding="cp1252"), b.left, "Customer ID",
        "Customer Status", {"Monthly Charge": b.fee, "Total Revenue": b.fee * b.tenure},
        out={"Churn Category", "Churn Reason"}, features={"Offer", "Contract"})


def ecommerce_excel(folder: Path) -> Case:
    b = Business(106)
    c: dict[str, Any] = {"CustomerID": np.arange(50001, 50001 + b.rows), "Churn": b.left.astype(int),
        "Tenure": b.blank(b.tenure), "PreferredLoginDevice": b.choice("Mobile Phone", "Phone", "Computer"),
        "CityTier": b.plan + 1, "WarehouseToHome": b.blank(b.visits),
        "PreferredPaymentMode": b.choice("CC", "COD", "UPI"), "CashbackAmount": b.fee}
    d = pd.DataFrame({"Unnamed: 0": np.nan, "Data": "E Comm", "Variable": list(c),
        "Discerption": [f"text about {n}" for n in c]}).rename(columns={"Unnamed: 0": None})
    p = folder / "E Commerce Dataset.xlsx"
    with pd.ExcelWriter(p) as w:
        d.to_excel(w, index=False, sheet_name="Data Dict")
        pd.DataFrame(c).to_excel(w, index=False, sheet_name="E Comm")
    return Case(p, b.left, "CustomerID", "Churn", {"CashbackAmount": b.fee})


def kdd_orange(folder: Path) -> Case:
    b = Business(107)
    c: dict[str, Any] = {f"Var{n}": (np.full(b.rows,
        np.nan) if n % 9 == 0 else b.blank(np.round(b.random.normal(100, 20, b.rows), 4), .6)) for n in range(1,
        60)}
    c |= {"Var60": b.tenure, "Var61": b.visits, "Var192": [f"bZkvyx{n % 40:02d}Q" for n in range(b.rows)],
        "Var200": ["" if n % 3 else f"v{n:05d}x" for n in range(b.rows)],
        "Var218": b.plans("cJvF", "FzaX", "UYBR"), "churn": b.outcome(1, -1)}
    return Case(write_csv(folder / "orange_small_train.data.txt", c, sep="\t"), b.left, "row", "churn",
        {"Var60": b.tenure.astype(float)})


def subscription_service(folder: Path) -> Case:
    b = Business(108)
    c: dict[str, Any] = {"AccountAge": b.tenure, "MonthlyCharges": b.fee / 7, "TotalCharges": b.fee / 7 * b.tenure,
        "SubscriptionType": b.plans("Basic", "Standard", "Premium"),
        "PaymentMethod": b.choice("Mailed check", "Credit card"), "PaperlessBilling": b.choice("Yes", "No"),
        "ViewingHoursPerWeek": b.visits * 5.5, "GenrePreference": b.choice("Sci-Fi", "Action"),
        "UserRating": b.random.random(b.rows) * 4 + 1, "WatchlistSize": b.random.integers(0, 24, b.rows),
        "SubtitlesEnabled": b.choice("Yes", "No"),
         "CustomerID": ["".join(b.random.choice(list("ABCDEFGHJKLMNPQRSTUVWXYZ0123456789"),
             10)) for _ in range(b.rows)], "Churn": b.left.astype(int)}
    return Case(write_csv(folder / "train.csv", c), b.left, "CustomerID", "Churn",
        {"MonthlyCharges": b.fee / 7})


def blank_row(folder: Path) -> Case:
    b = Business(109)
    d = pd.DataFrame({"CustomerID": np.arange(2.0, 2.0 + b.rows),
        "Age": b.random.integers(18, 65, b.rows).astype(float), "Gender": b.choice("Female", "Male"),
        "Tenure": b.tenure.astype(float), "Usage Frequency": b.visits.astype(float),
        "Support Calls": b.random.integers(0, 10, b.rows).astype(float),
        "Payment Delay": b.random.integers(0, 30, b.rows).astype(float),
        "Subscription Type": b.plans("Basic", "Standard", "Premium"),
        "Contract Length": b.choice("Annual", "Monthly", "Quarterly"), "Total Spend": b.fee * 10,
        "Last Interaction": b.random.integers(1, 30, b.rows).astype(float), "Churn": b.left.astype(float)})
    at = 199
    blank = pd.DataFrame([[np.nan] * len(d.columns)], columns=d.columns)
    d = pd.concat([d[:at], blank, d[at:]])
    p = write_csv(folder / "customer_churn_dataset-training-master.csv", d)
    return Case(p, b.left, "CustomerID", "Churn", {"Total Spend": b.fee * 10})


def french_date_label(folder: Path) -> Case:
    b = Business(110)
    gone = [f"{n % 28 + 1:02d}/{n % 12 + 1:02d}/2024" if gone else "" for n, gone in enumerate(b.left)]
    c: dict[str, Any] = {"Numéro client": [f"{n:07d}" for n in range(b.rows)],
        "Date d'ouverture": [f"{n % 28 + 1:02d}/{n % 12 + 1:02d}/2019" for n in range(b.rows)],
        "Ancienneté (mois)": b.tenure,
        "Solde moyen": [f"{x * 100:,.2f}".replace(",", "\u202f").replace(".", ",") for x in b.fee],
        "Nb opérations": b.visits, "Offre": b.plans("Essentielle", "Privilège", "Étudiant"),
        "Date de résiliation": gone}
    return Case(write_csv(folder / "clients banque.csv", c, sep=";", encoding="utf-8-sig"), b.left,
        "Numéro client", "Date de résiliation", {"Solde moyen": b.fee * 100})


def auto_insurance(folder: Path) -> Case:
    b = Business(111)
    c: dict[str, Any] = {"individual_id": (221300000000 + b.random.permutation(b.rows)).astype(float),
        "address_id": (521300000000 + b.random.permutation(b.rows)).astype(float), "curr_ann_amt": b.fee * 15,
        "days_tenure": b.tenure * 80.0,
        "cust_orig_date": [f"20{n % 15 + 5:02d}-{n % 12 + 1:02d}-{n % 28 + 1:02d}" for n in range(b.rows)],
        "age_in_years": b.random.integers(22, 80, b.rows).astype(float),
        "date_of_birth": [f"19{n % 50 + 40}-03-{n % 28 + 1:02d}" for n in range(b.rows)],
         "latitude": 32 + b.random.random(b.rows), "longitude": -96 - b.random.random(b.rows),
             "city": b.choice("Dallas", "Plano", "Irving"), "state": "TX", "income": b.choice(22500.0, 87500.0),
             "has_children": b.choice(0.0, 1.0), "length_of_residence": b.visits.astype(float),
             "marital_status": b.choice("Married", "Single", ""),
             "home_market_value": b.choice("50000 - 74999", "100000 - 124999", ""),
             "home_owner": b.random.integers(0, 2, b.rows), "good_credit": b.plans(0.0, 1.0, 1.0),
             "acct_suspd_date": np.where(b.left, "2022-10-09", ""), "Churn": b.left.astype(int)}
    return Case(write_csv(folder / "autoinsurance_churn.csv", c), b.left, "individual_id", "Churn",
        {"curr_ann_amt": b.fee * 15}, out={"acct_suspd_date", "address_id"})


def power_client(folder: Path) -> Case:
    b = Business(112)
    c: dict[str, Any] = {"id": [b.random.bytes(16).hex() for _ in range(b.rows)],
        "activity_new": np.where(b.random.random(b.rows) < .6, "", b.choice("apdekpcb", "kkklcdam")),
        "campaign_disc_ele": "", "channel_sales": b.choice("foosdfpf", "MISSING", "lmkebami"),
        "cons_12m": b.random.integers(0, 400000, b.rows),
        "cons_gas_12m": np.where(b.random.random(b.rows) < .8, 0, 4000),
        "date_activ": [f"20{n % 5 + 8:02d}-{n % 12 + 1:02d}-{n % 28 + 1:02d}" for n in range(b.rows)],
        "date_end": [f"2016-{n % 12 + 1:02d}-{n % 28 + 1:02d}" for n in range(b.rows)],
        "date_renewal": [f"2015-{n % 12 + 1:02d}-{n % 28 + 1:02d}" for n in range(b.rows)],
        "forecast_price_pow_off_peak": b.choice(40.606701, 44.311378), "has_gas": b.choice("f", "t"),
        "imp_cons": b.blank(b.fee), "nb_prod_act": b.plan + 1, "num_years_antig": b.tenure // 6,
        "origin_up": b.choice("lxidpidd", "kamkkxfx"), "pow_max": b.visits * 1.1,
        "margin_net_pow_ele": b.fee - 30, "churn": b.left.astype(int)}
    return Case(write_csv(folder / "client_data.csv", c), b.left, "id", "churn",
        {"margin_net_pow_ele": b.fee - 30}, features={"has_gas", "date_activ", "date_end"})


def wide_months(folder: Path) -> Case:
    b = Business(114)
    c: dict[str, Any] = {"id": np.arange(b.rows), "circle_id": 109, "loc_og_t2o_mou": 0.0}
    for m in (6, 7, 8):
        c |= {f"last_date_of_month_{m}": f"{m}/{30 if m == 6 else 31}/2014",
            f"arpu_{m}": b.fee * (1 + .1 * b.random.normal(size=b.rows)), f"total_rech_num_{m}": b.visits,
            f"date_of_last_rech_{m}": [f"{m}/{n % 28 + 1}/2014" for n in range(b.rows)],
            f"av_rech_amt_data_{m}": b.blank(b.fee, .7),
            f"fb_user_{m}": b.blank(b.random.integers(0, 2, b.rows), .7)}
    c |= {"aon": b.tenure * 30, "jun_vbc_3g": b.plans(0.0, 12.5, 40.0), "churn_probability": b.left.astype(int)}
    return Case(write_csv(folder / "train.csv", c), b.left, "id", "churn_probability", {"arpu_6": c["arpu_6"]},
        out={"last_date_of_month_6", "circle_id"}, features={"date_of_last_rech_6"})


def mobile_panel(folder: Path) -> Case:
    """Year and month are two columns."""
    parts, left = [], []
    for k, m in enumerate((6, 7, 8)):
        b = Business(115 + k, 300)
        parts.append(pd.DataFrame({"user_account_id": np.arange(13, 13 + 300), "year": 2013, "month": m,
            "user_lifetime": b.tenure * 30, "user_intake": 0,
            "user_spendings": [f"{x:.2f}".replace(".", ",") for x in b.fee],
            "user_has_outgoing_calls": b.random.integers(0, 2, b.rows), "calls_outgoing_count": b.visits,
            "plan": b.plans("A", "B", "C"), "churn": b.left.astype(int)}))
        left.append(b.left)
    return Case(write_csv(folder / "mobile-churn-data.csv", pd.concat(parts), sep=";"), np.concatenate(left),
        "user_account_id", "churn", question="'year' is no date")


def saas_leaky(folder: Path) -> Case:
    b = Business(118)
    c: dict[str, Any] = {"customer_id": [f"CUST-{n:05d}" for n in range(b.rows)],
        "company_size": b.choice("1-10", "11-50", "51-200"), "plan_type": b.plans("Starter", "Growth", "Scale"),
        "signup_ts": [1609459200 + int(n) * 86400 for n in b.random.integers(0, 900, b.rows)],
        "mrr": [f"{x * 40:,.2f}" for x in b.fee], "active_users": b.visits, "tenure_months": b.tenure,
        "nps": b.blank(b.random.integers(-100, 101, b.rows), .3),
        "last_invoice_status": np.where(b.left & (b.random.random(b.rows) < .8), "void",
        b.choice("paid", "open")),
        "days_since_churn": np.where(b.left, b.random.integers(1, 90, b.rows), np.nan),
        "cancellation_date": np.where(b.left, "2024-03-05", ""),
        "churn_reason": np.where(b.left, b.choice("price", "features"), "None"),
        "churned": b.outcome("TRUE", "FALSE")}
    d = pd.DataFrame(c)
    return Case(write_csv(folder / "saas_customers.csv", d, index=True), b.left, "customer_id", "churned",
        {"mrr": b.fee * 40},
        out={"days_since_churn", "cancellation_date", "churn_reason", "last_invoice_status"},
        features={"signup_ts"})


def gym_pt(folder: Path) -> Case:
    b = Business(119)
    c: dict[str, Any] = {"Matrícula": [f"{n:06d}" for n in range(b.rows)], "Plano": b.plans("Mensal", "Trimestral", "Anual"),
        "jan/24": b.visits, "fev/24": b.visits + 1, "mar/24": np.maximum(b.visits - 1, 0),
        "Mensalidade": [f"R$ {x:,.2f}".replace(",", "#").replace(".", ",").replace("#",
        ".") for x in b.fee * 20], "Tempo": b.tenure, "Ativo": b.outcome("Não", "Sim")}
    return Case(write_csv(folder / "academia.csv", c, sep=";", encoding="latin-1"), b.left, "Matrícula",
        "Ativo", {"Mensalidade": b.fee * 20})


def yyyymm_panel(folder: Path) -> Case:
    parts, left = [], []
    for k, m in enumerate((202310, 202311, 202312, 202401)):
        b = Business(120 + k, 250)
        parts.append(pd.DataFrame({"cust_no": [f"{n:08d}" for n in range(250)], "period": m,
            "balance": b.fee * 100 - 3000, "txn_cnt": b.visits, "tenure_m": b.tenure,
            "product": b.plans("CHK", "SAV", "CRD"), "churn_next_3m": b.outcome("Y", "N")}))
        left.append(b.left)
    return Case(write_csv(folder / "panel.csv", pd.concat(parts)), np.concatenate(left), "cust_no",
        "churn_next_3m")


def duplicates(folder: Path) -> Case:
    b = Business(124)
    d = pd.DataFrame({"user_id": b.random.permutation(np.arange(100000, 100000 + b.rows)),
        "created": b.random.integers(1577836800, 1672531200, b.rows), "age": b.random.integers(18, 70, b.rows),
        "housing": b.choice("R", "O", "na"), "credit_score": b.blank(b.random.integers(2, 838, b.rows), .3),
        "deposits": b.visits, "plan": b.plans("a", "b", "c"), "app_downloaded": 1,
        "zodiac_sign": b.choice("Leo", "Virgo", "na"), "months": b.tenure, "churn": b.left.astype(int)})
    p = write_csv(folder / "churn_data.csv", pd.concat([d, d.iloc[:9]]))
    return Case(p, b.left, "user_id", "churn", {"deposits": b.visits.astype(float)}, features={"created"})


def excel_report(folder: Path) -> Case:
    b = Business(125, 400)
    d = pd.DataFrame({"Kd-Nr.": [f"{n:05d}" for n in range(b.rows)],
        "Tarif": b.plans("Basis", "Komfort", "Premium"), "Umsatz 2023": b.fee * 12, "Kontakte": b.visits,
        "Laufzeit": b.tenure,
        "Gekündigt am": [pd.Timestamp("2024-02-01") + pd.Timedelta(days=int(n % 60)) if gone else None for n,
        gone in enumerate(b.left)]})
    p = folder / "Auswertung Kündiger.xlsx"
    import openpyxl

    w = openpyxl.Workbook()
    s = w.active
    s.title = "Bestand"
    s.append(["Auswertung Kündiger"])
    s.append(["Stand: 31.03.2024"])
    s.append([])
    s.append(list(d.columns))
    for row in d.itertuples(index=False):
        s.append([None if value is pd.NaT else value for value in row])
    s.append(["Summe", None, float((b.fee * 12).sum()), int(b.visits.sum()), None, None])
    w.save(p)
    return Case(p, b.left, "Kd-Nr.", "Gekündigt am", {"Umsatz 2023": b.fee * 12})


def bank_complain(folder: Path) -> Case:
    b = Business(126)
    flip = b.random.random(b.rows) < .002
    c: dict[str, Any] = {"RowNumber": np.arange(1, b.rows + 1),
        "CustomerId": b.random.permutation(np.arange(15565701, 15565701 + b.rows)),
        "Surname": [f"N{n % 400}" for n in range(b.rows)], "CreditScore": b.random.integers(350, 850, b.rows),
        "Geography": b.choice("France", "Spain"), "Gender": b.choice("Female", "Male"), "Tenure": b.tenure // 7,
        "Balance": b.fee * 1000, "NumOfProducts": b.plan + 1, "HasCrCard": b.random.integers(0, 2, b.rows),
        "IsActiveMember": (b.visits > 5).astype(int), "EstimatedSalary": b.fee * 1500.5,
        "Exited": b.left.astype(int), "Complain": (b.left ^ flip).astype(int),
        "Satisfaction Score": b.random.integers(1, 6, b.rows), "Card Type": b.choice("DIAMOND", "GOLD"),
        "Point Earned": b.visits * 60}
    return Case(write_csv(folder / "Customer-Churn-Records.csv", c), b.left, "CustomerId", "Exited",
        {"Balance": b.fee * 1000}, out={"Complain", "RowNumber", "Surname"})


def airline_loyalty(folder: Path) -> Case:
    b = Business(127)
    c: dict[str, Any] = {"Loyalty Number": b.random.permutation(np.arange(100018, 100018 + b.rows)), "Country": "Canada",
        "Province": b.choice("Ontario", "Quebec"), "Postal Code": b.choice("M2Z 4K1", "P1L 8X8"),
        "Gender": b.choice("Female", "Male"), "Education": b.choice("Bachelor", "College"),
        "Salary": b.blank(b.fee * 1500, .25), "Marital Status": b.choice("Married", "Single"),
        "Loyalty Card": b.plans("Star", "Aurora", "Nova"), "CLV": b.fee * 100, "Flights": b.visits,
        "Enrollment Type": b.choice("Standard", "2018 Promotion"),
        "Enrollment Year": b.choice(2012, 2014, 2016), "Enrollment Month": b.random.integers(1, 13, b.rows),
        "Cancellation Year": np.where(b.left, b.choice(2017.0, 2018.0), np.nan),
        "Cancellation Month": np.where(b.left, b.random.integers(1, 13, b.rows), np.nan)}
    return Case(write_csv(folder / "Customer Loyalty History.csv", c), b.left, "Loyalty Number",
        ("Cancellation Year", "Cancellation Month"), {"CLV": b.fee * 100}, out={"Cancellation Month"})


def unlabeled(folder: Path) -> Case:
    b = Business(128)
    y = b.outcome("Yes", "No").astype(object)
    y[-60:] = np.nan
    d = pd.DataFrame({"AccountWeeks": b.tenure, "ContractRenewal": b.random.integers(0, 2, b.rows),
        "DataPlan": b.plan, "DataUsage": b.fee / 10, "CustServCalls": b.visits, "MonthlyCharge": b.fee,
        "id": np.arange(b.rows) + 1, "Churn": y})
    return Case(write_csv(folder / "telecom_churn.csv", d), b.left[:-60], "id", "Churn",
        {"MonthlyCharge": b.fee})


def json_nested(folder: Path) -> Case:
    b = Business(129)
    p = folder / "customers.jsonl"
    with p.open("w") as s:
        for n in range(b.rows):
            s.write(json.dumps({"customer_id": f"{n:06d}",
                "profile": {"age": int(b.random.integers(18, 70)), "city": "Bern"},
                "plan": str(b.plans("a", "b", "c")[n]), "visits": int(b.visits[n]), "tenure": int(b.tenure[n]),
                "spend": float(b.fee[n]), "churned": bool(b.left[n])}) + "\n")
    return Case(p, b.left, "customer_id", "churned", {"spend": b.fee})


def telecom_kazakh(folder: Path) -> Case:
    """The label has no name of one; quoted decimal commas, and percent."""
    b = Business(130)
    c: dict[str, Any] = {"MSISDN": [f"0770{1000000 + n * 7}" for n in range(b.rows)], "Rate": [f"{x:.1f}%" for x in b.fee / 2],
        "ARPU": [f"{x:.2f}".replace(".", ",") for x in b.fee], "Calls": b.visits, "Lifetime": b.tenure,
        "Type": b.plans("Pre", "Post", "Hybrid"), "Segment": b.choice("n/a", "Gold", "-"),
        "State": b.outcome("Churn", "Normal")}
    return Case(write_csv(folder / "subs.csv", c), b.left, "MSISDN", "State",
        {"ARPU": b.fee, "Rate": np.array([float(f"{x:.1f}") for x in b.fee / 2])})


TABLES: tuple[Callable[[Path], Case], ...] = (
    iranian_telecom, churn_risk, telco_extended, maven_telecom, ecommerce_excel, kdd_orange,
    subscription_service, blank_row, french_date_label, auto_insurance, power_client, wide_months, saas_leaky,
    gym_pt, yyyymm_panel, duplicates, excel_report, bank_complain, airline_loyalty, unlabeled, json_nested,
    telecom_kazakh, newspaper, mobile_panel,
)

# Tables that need openpyxl.
WORKBOOKS = (newspaper, telco_extended, ecommerce_excel, excel_report)
