"""Errors of models."""

from __future__ import annotations

from churnkit.errors import ChurnkitError

__all__ = ["ModelDataError"]


class ModelDataError(ChurnkitError, ValueError):
    """Invalid input of a model: a matrix, label, weight or setting.

    Also a ``ValueError``, as scikit-learn's callers expect.

    Examples
    --------
    >>> isinstance(ModelDataError("the label has only one class"), ValueError)
    True
    """
