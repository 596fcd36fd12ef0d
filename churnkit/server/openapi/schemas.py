"""Schemas of the OpenAPI document: customers as in the contract, requests and replies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from churnkit.server.routes.customers import DEFAULT_REASONS, MAX_REASONS
from churnkit.server.routes.outcomes import OUTCOME_SCHEMA

if TYPE_CHECKING:
    from churnkit.contracts.contract import Contract

__all__ = ["TEXT", "Schema", "components", "ref"]

Schema = dict[str, Any]

TEXT: Final[Schema] = {"type": "string"}
_NUMBER: Final[Schema] = {"type": "number"}
_INTEGER: Final[Schema] = {"type": "integer"}
_BOOLEAN: Final[Schema] = {"type": "boolean"}
_OPTIONAL_TEXT: Final[Schema] = {"type": ["string", "null"]}
_PROBABILITY: Final[Schema] = {"type": "number", "minimum": 0, "maximum": 1}
_PARTIAL: Final[Schema] = {
    "type": "boolean",
    "default": False,
    "description": "Report customers that break a rule in place and answer the others; by default "
    "one such customer refuses the request.",
}
_TOP: Final[Schema] = {
    "type": "integer",
    "minimum": 1,
    "maximum": MAX_REASONS,
    "default": DEFAULT_REASONS,
    "description": "The most reasons per customer.",
}
_INTERVAL: Final[Schema] = {
    "type": "boolean",
    "default": False,
    "description": "Add `probability_low` and `probability_high`: an interval that holds "
    "`churn_probability` and the churn rate of tested customers with similar scores.",
}
_END: Final[Schema] = {
    **_PROBABILITY,
    "description": "An end of the interval, often `churn_probability` itself: the churn rates of "
    "tested customers with similar scores are then all on its other side.",
}
_BUDGET: Final[Schema] = {
    "type": ["number", "null"],
    "minimum": 0,
    "description": "The most that the actions of this request may cost together.",
}


def ref(name: str) -> Schema:
    """Return a reference to one of the document's schemas."""
    return {"$ref": f"#/components/schemas/{name}"}


def components(
    contract: Contract,
    *,
    max_rows: int,
    recommends: bool,
    ranks: bool = False,
    intervals: bool = False,
) -> Schema:
    """Return the schemas that the operations refer to.

    Their titles are unique, since generators of clients name classes by them.

    Parameters
    ----------
    contract
        Of the model.
    max_rows
        The most customers per request.
    recommends
        Whether the model has actions or options.
    ranks
        Whether it ranks options.
    intervals
        Whether it has intervals of probabilities.
    """
    entity = contract.entity.name
    customer = contract.to_json_schema("predict")
    id_schema = customer["properties"][entity]
    scored = {entity: id_schema, "prediction_id": TEXT, "churn_probability": _PROBABILITY}
    asked = {"interval": _INTERVAL} if intervals else {}
    ends = dict.fromkeys(("probability_low", "probability_high"), _END) if intervals else {}
    schemas: Schema = {
        "Customer": customer,
        "PredictRequest": _request("Customer", max_rows, **asked),
        "ExplainRequest": _request("Customer", max_rows, top=_TOP),
        "Prediction": _object(scored, **ends),
        "Explanation": _object({**scored, "reasons": _array(ref("Reason"))}),
        "RefusedCustomer": _object(
            {
                entity: {"anyOf": [id_schema, {"type": "null"}]},
                "prediction_id": TEXT,
                "churn_probability": {"type": "null"},
                "problem": _array(ref("RowProblem")),
            }
        ),
        "Predictions": _reply("Prediction"),
        "Explanations": _reply("Explanation"),
        **_SHARED,
        "OutcomesRequest": _object(
            {"outcomes": {**_array(ref("Outcome")), "minItems": 1, "maxItems": max_rows}}
        ),
    }
    if recommends:
        schemas["CustomerToDecide"] = contract.to_json_schema("recommend")
        extra = {} if ranks else {"budget": _BUDGET}
        schemas["RecommendRequest"] = _request("CustomerToDecide", max_rows, **extra)
        fields = _OPTION_FIELDS if ranks else _ACTION_FIELDS
        schemas["Recommendation"] = _object({**scored, **fields})
        schemas["Recommendations"] = _reply("Recommendation")
    if ranks:
        schemas["Option"] = _object(
            {"action": TEXT, "prediction_id": TEXT, "propensity": _PROBABILITY, "value": _NUMBER}
        )
    return {name: {**schema, "title": name} for name, schema in schemas.items()}


def _object(properties: Schema, **optional: Schema) -> Schema:
    return {
        "type": "object",
        "properties": {**properties, **optional},
        "required": list(properties),
        "additionalProperties": False,
    }


def _array(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _request(customer: str, max_rows: int, **fields: Schema) -> Schema:
    customers = {**_array(ref(customer)), "minItems": 1, "maxItems": max_rows}
    body = _object({"customers": customers, "partial": _PARTIAL, **fields})
    return {**body, "required": ["customers"]}


def _reply(record: str) -> Schema:
    return _object(
        {
            "predictions": _array({"anyOf": [ref(record), ref("RefusedCustomer")]}),
            "model": ref("ServedBy"),
            "warnings": _array(ref("Violation")),
        }
    )


_IDENTITY: Final[Schema] = {"name": TEXT, "version": _OPTIONAL_TEXT, "digest": _OPTIONAL_TEXT}
_ACTION_FIELDS: Final[Schema] = {
    "action": _OPTIONAL_TEXT,
    **dict.fromkeys(("expected_gain", "gain_low", "gain_high", "cost"), _NUMBER),
    "reason": TEXT,
}
_OPTION_FIELDS: Final[Schema] = {
    "action": _OPTIONAL_TEXT,
    "reason": TEXT,
    "options": _array(ref("Option")),
}
_COLUMN: Final = _object(
    {
        "name": TEXT,
        "title": TEXT,
        "unit": _OPTIONAL_TEXT,
        "type": TEXT,
        "roles": _array(TEXT),
        "nullable": _BOOLEAN,
        "rules": _array(TEXT),
        "categories": {"type": ["array", "null"], "items": TEXT},
        "predict": _BOOLEAN,
        "recommend": _BOOLEAN,
    }
)
_ACTION: Final = _object(
    {"name": TEXT, "title": TEXT, "channel": _OPTIONAL_TEXT, "eligible": _array(TEXT)}
)
_SHARED: Final[Schema] = {
    "Reason": _object({"column": TEXT, "reason": TEXT, "points": _NUMBER, "contribution": _NUMBER}),
    "RowProblem": _object({"column": TEXT, "rule": TEXT, "remedy": TEXT}),
    "ServedBy": _object(_IDENTITY),
    "Outcome": OUTCOME_SCHEMA,
    "Violation": _object(
        {
            "column": TEXT,
            "rule": TEXT,
            "count": _INTEGER,
            "positions": _array(_INTEGER),
            "remedy": TEXT,
        }
    ),
    "Written": _object({"written": _INTEGER, "duplicates": _INTEGER}),
    "ModelCard": _object(
        {
            **_IDENTITY,
            "lineage": {"type": "object"},
            "card": {"type": "object"},
            "contract": _object({"name": TEXT, "digest": TEXT}),
            "columns": _array(_COLUMN),
            "actions": _array(_ACTION),
            "reload": _object({"follows": _BOOLEAN, "signed": _BOOLEAN}),
        }
    ),
    "Problem": _object(
        {
            "type": TEXT,
            "title": TEXT,
            "status": _INTEGER,
            "detail": TEXT,
            "violations": _array(ref("Violation")),
        }
    ),
}
