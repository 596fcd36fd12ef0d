"""The registered model as MLflow shows it: signature, input example, descriptions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from churnkit.bundle.card_markdown import render_card
from churnkit.server.openapi.example_row import example_row

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from churnkit.bundle.format.manifest import Manifest
    from churnkit.bundle.registry.mlflow import Registry
    from churnkit.contracts.contract import Contract

__all__ = ["card_description", "describe", "input_example", "schema_columns", "signature"]

# The columns of MLflow's SQL stores are this long.
_MAX_DESCRIPTION = 5_000
_COLUMN_TYPES = {
    "string": "string",
    "boolean": "boolean",
    "integer": "long",
    "number": "double",
    "datetime": "datetime",
}


def signature(contract: Contract) -> Any:
    """Return the columns that `RetentionModel.predict` reads and returns.

    The types of inputs are left to the contract, which reads numbers in every form: MLflow would
    refuse whole numbers in a column of decimals, and blanks in a column of whole numbers.

    Parameters
    ----------
    contract
        Of the model.

    Returns
    -------
    mlflow.models.ModelSignature
    """
    from mlflow.models import ModelSignature
    from mlflow.types.schema import AnyType, ColSpec, Schema

    inputs = [
        ColSpec(AnyType(), column.name, required=required)
        for columns, required in (
            (contract.required("predict"), True),
            (contract.optional("predict"), False),
        )
        for column in columns
    ]
    entity = contract.entity
    outputs = [
        ColSpec(_COLUMN_TYPES[entity.type], entity.name),
        ColSpec("double", "churn_probability", required=False),
        ColSpec("string", "problem", required=False),
    ]
    return ModelSignature(inputs=Schema(inputs), outputs=Schema(outputs))


def input_example(contract: Contract) -> pd.DataFrame | None:
    """Return a made-up customer as a frame; None if none fits the contract.

    Examples
    --------
    >>> from churnkit.contracts import Column
    >>> from churnkit.contracts.contract import Contract
    >>> tenure = Column("tenure", "integer", ("feature",))
    >>> input_example(Contract("gym", (Column("id", "string", ("entity",)), tenure)))
               id  tenure
    0  customer-1      12
    """
    import pandas as pd

    row = example_row(contract, "predict")
    return None if row is None else pd.DataFrame([row])


def schema_columns(contract: Contract) -> list[dict[str, Any]]:
    """Return the columns of a training table in MLflow's form, the label last.

    Examples
    --------
    >>> from churnkit.contracts import Column
    >>> from churnkit.contracts.contract import Contract
    >>> gym = Contract("gym", (Column("id", "string", ("entity",)),))
    >>> schema_columns(gym)
    [{'type': 'string', 'name': 'id', 'required': True}]
    """
    columns = [*contract.required("predict"), *contract.optional("predict")]
    if contract.label is not None:
        columns.append(contract.label)
    return [
        {
            "type": _COLUMN_TYPES[column.type],
            "name": column.name,
            "required": not (column.nullable or column.has_default),
        }
        for column in columns
    ]


def describe(
    registry: Registry, name: str, version: str, *, card: Mapping[str, Any], manifest: Manifest
) -> None:
    """Describe a version by its model card, and the model by its use if it has no description."""
    client = registry.client
    client.update_model_version(name, version, description=card_description(card, manifest))
    if not client.get_registered_model(name).description:
        client.update_registered_model(name, description=str(card["use"])[:_MAX_DESCRIPTION])


def card_description(card: Mapping[str, Any], manifest: Manifest) -> str:
    """Return the model card as Markdown, cut at a line that MLflow's stores can hold."""
    text = render_card(card, manifest)
    if len(text) <= _MAX_DESCRIPTION:
        return text
    note = "\n\nThe whole card is in the run's file card.md.\n"
    return text[: text.rindex("\n", 0, _MAX_DESCRIPTION - len(note))] + note
