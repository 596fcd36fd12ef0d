"""The IBM Telco data set: one row per customer of a telephone and internet company."""

from churnkit.contracts import Schema, entity, feature, label

YES_NO = ["No", "Yes"]
ONLINE = ["No", "Yes", "No internet service"]
WITHOUT = {"No internet service": "No internet"}


class Telco(Schema):
    """7,043 customers in one quarter; the label is whether they left in the last month."""

    customerID: str = entity("Customer", unique=True)
    gender: str = feature("Gender", phrase="{value} customer", isin=["Female", "Male"])
    SeniorCitizen: int = feature(
        "Senior citizen", words={"0": "Not a senior citizen", "1": "Senior citizen"}, isin=[0, 1]
    )
    Partner: str = feature("Partner", words={"No": "No partner", "Yes": "Partner"}, isin=YES_NO)
    Dependents: str = feature(
        "Dependents", words={"No": "No dependents", "Yes": "Dependents"}, isin=YES_NO
    )
    tenure: int = feature("Customer for", phrase="Customer for {value} months", ge=0, le=1200)
    PhoneService: str = feature(
        "Phone service", words={"No": "No phone service", "Yes": "Phone service"}, isin=YES_NO
    )
    MultipleLines: str = feature(
        "Multiple lines",
        words={"No": "One line", "Yes": "Multiple lines", "No phone service": "No phone service"},
        isin=["No", "Yes", "No phone service"],
    )
    InternetService: str = feature(
        "Internet service",
        words={"DSL": "DSL internet", "Fiber optic": "Fiber optic internet", "No": "No internet"},
        isin=["DSL", "Fiber optic", "No"],
    )
    OnlineSecurity: str = feature(
        "Online security",
        words={"No": "No online security", "Yes": "Online security"} | WITHOUT,
        isin=ONLINE,
    )
    OnlineBackup: str = feature(
        "Online backup",
        words={"No": "No online backup", "Yes": "Online backup"} | WITHOUT,
        isin=ONLINE,
    )
    DeviceProtection: str = feature(
        "Device protection",
        words={"No": "No device protection", "Yes": "Device protection"} | WITHOUT,
        isin=ONLINE,
    )
    TechSupport: str = feature(
        "Tech support",
        words={"No": "No tech support", "Yes": "Tech support"} | WITHOUT,
        isin=ONLINE,
    )
    StreamingTV: str = feature(
        "Streaming TV",
        words={"No": "No streaming TV", "Yes": "Streams TV"} | WITHOUT,
        isin=ONLINE,
    )
    StreamingMovies: str = feature(
        "Streaming movies",
        words={"No": "No streaming movies", "Yes": "Streams movies"} | WITHOUT,
        isin=ONLINE,
    )
    Contract: str = feature(
        "Contract", phrase="{value} contract", isin=["Month-to-month", "One year", "Two year"]
    )
    PaperlessBilling: str = feature(
        "Paperless billing", words={"No": "Bills on paper", "Yes": "Paperless bills"}, isin=YES_NO
    )
    PaymentMethod: str = feature(
        "Payment method",
        words={
            "Bank transfer (automatic)": "Pays by bank transfer",
            "Credit card (automatic)": "Pays by credit card",
            "Electronic check": "Pays by electronic check",
            "Mailed check": "Pays by mailed check",
        },
        isin=[
            "Bank transfer (automatic)",
            "Credit card (automatic)",
            "Electronic check",
            "Mailed check",
        ],
    )
    MonthlyCharges: float = feature(
        "Monthly charges", unit="USD a month", also=("value",), ge=0, le=1e6
    )
    TotalCharges: float = feature("Charged so far", unit="USD", nullable=True, ge=0)
    Churn: str = label("Left within the last month", positive="Yes", isin=YES_NO)
