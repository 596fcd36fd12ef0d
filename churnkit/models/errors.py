"""The refusals of models: a matrix or label that nothing sound can be fitted to or scored."""

from __future__ import annotations

from churnkit.errors import ChurnkitError

__all__ = ["ModelDataError"]


class ModelDataError(ChurnkitError, ValueError):
    """A matrix or label that a model can do nothing sound with.

    It is a ``ValueError`` too, which is what scikit-learn's callers expect.

    Examples
    --------
    >>> isinstance(ModelDataError("the label holds one class"), ValueError)
    True
    """
