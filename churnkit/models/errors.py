"""Errors of models."""

from __future__ import annotations

from churnkit.errors import ChurnkitError

__all__ = ["ModelDataError", "redact_values"]


class ModelDataError(ChurnkitError, ValueError):
    """Invalid input of a model: a matrix, label, weight or setting.

    Also a ``ValueError``, as scikit-learn's callers expect.

    Examples
    --------
    >>> isinstance(ModelDataError("the label has only one class"), ValueError)
    True
    """


def redact_values(message: str) -> str:
    r"""Return the first line of a scikit-learn error, without the array values that some quote.

    Names of columns, which are no values, stay.

    Examples
    --------
    >>> redact_values("Input X contains infinity.\nThe value is 3.")
    'Input X contains infinity.'
    """
    if message.startswith("The feature names should match"):
        return message
    first = message.strip().splitlines()[0]
    if "Reshape your data" in message:
        return (
            f"{first.rstrip(':')}. Reshape your data: the matrix needs one row per customer and "
            "one column per feature"
        )
    if "could not convert" in message.lower():
        return (
            "the matrix has values that are not numbers: pass a frame (pandas, polars or Arrow), "
            "whose text columns are encoded as categories"
        )
    return first
