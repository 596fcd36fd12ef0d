"""Hillstrom's e-mail experiment: one row per customer, with purchases before the mailing."""

from churnkit.contracts import Schema, entity, feature, ignore, label, propensity, treatment, value

ZIP = ["Rural", "Surburban", "Urban"]


class Hillstrom(Schema):
    """Customers who visited the shop's site within two weeks of the mailing."""

    customer: int = entity("Customer")
    recency: int = feature("Months since the last purchase", ge=1, le=12)
    history: float = feature("Spent in the last year", unit="USD", ge=0)
    mens: int = feature("Bought men's goods", ge=0, le=1)
    womens: int = feature("Bought women's goods", ge=0, le=1)
    zip_code: str = feature("Area", phrase="{value} area", isin=ZIP)
    newbie: int = feature("New in the last year", ge=0, le=1)
    channel: str = feature(
        "Channel", phrase="Bought by {value}", isin=["Multichannel", "Phone", "Web"]
    )
    visit_worth: float = value("Worth of a visit", unit="USD", ge=0)
    segment: str = treatment("Mailing", isin=["Mens E-Mail", "No E-Mail", "Womens E-Mail"])
    chance: float = propensity("Probability of the mailing", gt=0, le=1)
    visit: int = label("Came within two weeks", positive=0)
    conversion: int = ignore("Bought within two weeks")
    spend: float = ignore("Spent within two weeks", unit="USD")
