"""Fits without MLflow's autologging of the many models inside them."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["without_autologging"]


@contextmanager
def without_autologging() -> Iterator[None]:
    """Fit without a run of MLflow for each model of LightGBM or scikit-learn inside; a decorator.

    An estimator fits dozens of them, and autologging would save each. A pipeline or search around
    the estimator is logged as usual.

    Examples
    --------
    >>> @without_autologging()
    ... def fit():
    ...     return 1
    >>> fit()
    1
    """
    # Autologging can be on only if MLflow was imported.
    logging = sys.modules.get("mlflow.utils.autologging_utils")
    if logging is None or getattr(logging, "_AUTOLOGGING_GLOBALLY_DISABLED", True):
        # Where it is off, or another fit has turned it off, its end must not turn it on.
        yield
        return
    with logging.disable_autologging():
        yield
