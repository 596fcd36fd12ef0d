def names(_reader):
    yield {
        "members": [
            {"member_id": "a", "visits": 3, "fee": 20.0, "plan": "basic", "left": True},
            {"member_id": "b", "visits": 9, "fee": None, "plan": "gold", "left": False},
        ]
    }
