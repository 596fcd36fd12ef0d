"""The schemas of the endpoint's OpenAPI page: customers as the contract has them, and answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from churnkit.server.routes.outcomes import OUTCOME_SCHEMA

if TYPE_CHECKING:
    from churnkit.contracts.contract import Contract, Purpose

__all__ = ["TEXT", "Schema", "components", "ref"]

Schema = dict[str, Any]

NUMBER: Final[Schema] = {"type": "number"}
TEXT: Final[Schema] = {"type": "string"}
_SHARE: Final[Schema] = {"type": "number", "minimum": 0, "maximum": 1}


def ref(name: str) -> Schema:
    """Point at a schema of the page."""
    return {"$ref": f"#/components/schemas/{name}"}


def _object(properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def components(contract: Contract, *, recommends: bool, ranks: bool = False) -> Schema:
    """Give the schemas that the operations point at."""
    served = _object({"name": TEXT, "version": _nullable("string"), "digest": _nullable("string")})
    found: Schema = {
        "Customer": contract.to_json_schema("predict"),
        "Predictions": _predictions(contract, "predict", {}),
        "Explanations": _predictions(
            contract, "predict", {"reasons": {"type": "array", "items": ref("Reason")}}
        ),
        "Reason": _object(
            {"column": TEXT, "reason": TEXT, "points": NUMBER, "contribution": NUMBER}
        ),
        "RowProblem": _object({"column": TEXT, "rule": TEXT, "remedy": TEXT}),
        "ServedBy": served,
        "Outcome": OUTCOME_SCHEMA,
        "Violation": _VIOLATION,
        "Written": _object({"written": {"type": "integer"}, "duplicates": {"type": "integer"}}),
        "ModelCard": _MODEL_CARD,
        "Problem": _PROBLEM,
    }
    if recommends:
        found["CustomerToDecide"] = contract.to_json_schema("recommend")
    if ranks:
        found["Option"] = _object(
            {"action": TEXT, "prediction_id": TEXT, "propensity": _SHARE, "value": NUMBER}
        )
        shown = {"type": "array", "items": ref("Option")}
        ranked = {"action": _nullable("string"), "reason": TEXT, "options": shown}
        found["Recommendations"] = _predictions(contract, "recommend", ranked)
    elif recommends:
        money = dict.fromkeys(("expected_gain", "gain_low", "gain_high", "cost"), NUMBER)
        action = {"action": _nullable("string"), **money, "reason": TEXT}
        found["Recommendations"] = _predictions(contract, "recommend", action)
    return found


def _nullable(kind: str) -> Schema:
    return {"type": [kind, "null"]}


def _predictions(contract: Contract, purpose: Purpose, further: Schema) -> Schema:
    entity = contract.to_json_schema(purpose)["properties"][contract.entity.name]
    name = contract.entity.name
    one = _object({name: entity, "prediction_id": TEXT, "churn_probability": _SHARE, **further})
    broken = _object(
        {
            name: {"anyOf": [entity, {"type": "null"}]},
            "prediction_id": TEXT,
            "churn_probability": {"type": "null"},
            "problem": {"type": "array", "items": ref("RowProblem")},
        }
    )
    return _object(
        {
            "predictions": {"type": "array", "items": {"anyOf": [one, broken]}},
            "model": ref("ServedBy"),
            "warnings": {"type": "array", "items": ref("Violation")},
        }
    )


_MODEL_CARD: Schema = _object(
    {
        "name": TEXT,
        "version": _nullable("string"),
        "digest": _nullable("string"),
        "lineage": {"type": "object"},
        "card": {"type": "object"},
        "contract": _object({"name": TEXT, "digest": TEXT}),
        "columns": {
            "type": "array",
            "items": _object(
                {
                    "name": TEXT,
                    "title": TEXT,
                    "unit": _nullable("string"),
                    "type": TEXT,
                    "roles": {"type": "array", "items": TEXT},
                    "nullable": {"type": "boolean"},
                    "rules": {"type": "array", "items": TEXT},
                    "categories": {"type": ["array", "null"], "items": TEXT},
                    "predict": {"type": "boolean"},
                    "recommend": {"type": "boolean"},
                }
            ),
        },
        "actions": {
            "type": "array",
            "items": _object(
                {
                    "name": TEXT,
                    "title": TEXT,
                    "channel": _nullable("string"),
                    "eligible": {"type": "array", "items": TEXT},
                }
            ),
        },
    }
)
_VIOLATION: Schema = _object(
    {
        "column": TEXT,
        "rule": TEXT,
        "count": {"type": "integer"},
        "positions": {"type": "array", "items": {"type": "integer"}},
        "remedy": TEXT,
    }
)
_PROBLEM: Schema = _object(
    {
        "type": TEXT,
        "title": TEXT,
        "status": {"type": "integer"},
        "detail": TEXT,
        "violations": {"type": "array", "items": ref("Violation")},
    }
)
