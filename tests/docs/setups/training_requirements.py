from churnkit.contracts import Schema, entity, feature, label


class Shop(Schema):
    customer_id: str = entity()
    orders: int = feature("Orders")
    churned: bool = label()


def names(_reader):
    yield {"Shop": Shop}
