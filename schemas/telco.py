"""The IBM Telco table: one row a customer of a telephone and internet company."""

from churnkit.contracts import Schema, entity, feature, label

YES_NO = ["No", "Yes"]
ONLINE = ["No", "Yes", "No internet service"]


class Telco(Schema):
    """7,043 customers, one quarter, with who left in the last month."""

    customerID: str = entity("Customer")
    gender: str = feature("Gender", phrase="{value} customer", isin=["Female", "Male"])
    SeniorCitizen: int = feature("Senior citizen (1 yes, 0 no)", isin=[0, 1])
    Partner: str = feature("Has a partner", isin=YES_NO)
    Dependents: str = feature("Has dependents", isin=YES_NO)
    tenure: int = feature("Customer for", unit="months", ge=0, le=1200)
    PhoneService: str = feature("Phone service", isin=YES_NO)
    MultipleLines: str = feature("Multiple lines", isin=["No", "Yes", "No phone service"])
    InternetService: str = feature(
        "Internet service", phrase="{value} internet", isin=["DSL", "Fiber optic", "No"]
    )
    OnlineSecurity: str = feature("Online security", isin=ONLINE)
    OnlineBackup: str = feature("Online backup", isin=ONLINE)
    DeviceProtection: str = feature("Device protection", isin=ONLINE)
    TechSupport: str = feature("Tech support", isin=ONLINE)
    StreamingTV: str = feature("Streaming TV", isin=ONLINE)
    StreamingMovies: str = feature("Streaming movies", isin=ONLINE)
    Contract: str = feature(
        "Contract", phrase="{value} contract", isin=["Month-to-month", "One year", "Two year"]
    )
    PaperlessBilling: str = feature("Paperless billing", isin=YES_NO)
    PaymentMethod: str = feature(
        "Payment method",
        phrase="Pays by {value}",
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
