"""Model of competing causes of churn: a discrete-time hazard for each cause."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from churnkit.core.autologging import without_autologging
from churnkit.models.errors import ModelDataError
from churnkit.models.scikit_base import BaseEstimator
from churnkit.models.survival.competing_risks_scorer import CompetingRisksScorer
from churnkit.models.survival.hazard_model import HazardModel
from churnkit.models.survival.person_period import period_units
from churnkit.models.survival.validation import check_follow_up, check_horizon, check_width
from churnkit.models.training_rows import check_features

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["CompetingRisksModel"]

# With fewer customers, trees of a cause cannot be told from chance.
_FEWEST = 25


class CompetingRisksModel(BaseEstimator):
    """Cause-specific hazards: when customers leave, and for which cause.

    Customers cancel, or their payment fails, or they close their business; an action against one
    cause does not help against another. Each cause has a `HazardModel` of its own. The
    probabilities of the causes and of staying sum to 1 at every time.

    Parameters
    ----------
    hazard
        Settings of the models of all causes; a `HazardModel` by default.

    Attributes
    ----------
    causes_ : tuple of str
        Names of the causes, sorted.
    models_ : tuple of HazardModel
        The model of each cause.
    scorer_ : CompetingRisksScorer
        The fitted model, as stored in a bundle; needs numpy alone.
    n_features_in_ : int

    Notes
    -----
    The hazard of a cause is the probability of leaving for it in a period, among all who are
    active at the period's start (Prentice et al. 1978, Biometrics 34). Within a period the causes
    keep their shares of the total hazard. A customer who leaves for another cause counts as at
    risk for the whole of that period, as in the likelihood of a multinomial outcome per period.
    A cause for which fewer than 25 customers left has additive effects alone, unless `rounds` are
    set.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> late_payer = rng.integers(0, 2, 2000)
    >>> cancels = rng.exponential(20.0, 2000)
    >>> card_fails = rng.exponential(np.where(late_payer, 10.0, 100.0))
    >>> left = np.minimum(cancels, card_fails)
    >>> cause = np.where(cancels < card_fails, "cancelled", "payment").astype(object)
    >>> cause[left > 12] = None
    >>> model = CompetingRisksModel(HazardModel(rounds=30))
    >>> model = model.fit(late_payer[:, None], np.minimum(left, 12.0), cause)
    >>> model.causes_, model.predict_incidence([[0], [1]], [12.0])[:, 0].round(1)
    (('cancelled', 'payment'), array([[0.4, 0.1],
           [0.3, 0.5]]))
    """

    causes_: tuple[str, ...]
    models_: tuple[HazardModel, ...]
    n_features_in_: int

    def __init__(self, hazard: HazardModel | None = None) -> None:
        self.hazard = hazard

    @without_autologging()
    def fit(
        self,
        X: Any,
        duration: ArrayLike,
        cause: Sequence[Any] | NDArray[Any],
        *,
        entry: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        customer: ArrayLike | None = None,
    ) -> Self:
        """Fit a hazard for each cause from one row per customer.

        Parameters
        ----------
        X : (n, f) encoded matrix, missing as NaN
        duration : (n,) time until churn, or until the end of the observation
        cause : (n,) name of the cause; None, NaN or an empty text for active customers
        entry : (n,) time at which the observation of the customer began; 0 if not given
        sample_weight : (n,) weights of the rows
        customer : (n,) ids, if customers have several rows, such as one per date

        Returns
        -------
        The fitted model.

        Raises
        ------
        ModelDataError
            No customer left, lengths differ, or as `HazardModel.fit`.
        """
        from churnkit.evaluation.survival.cumulative_incidence import encode_causes

        template = HazardModel() if self.hazard is None else self.hazard
        if not isinstance(template, HazardModel):
            raise ModelDataError(
                f"hazard must be a HazardModel or None, got {type(template).__name__}"
            )
        matrix = check_features(self, X, reset=True)
        causes, number = encode_causes(cause)
        if not causes:
            raise ModelDataError(
                f"no customer churned in {len(number)} rows: lengthen the follow-up"
            )
        if len(number) != len(matrix):
            raise ModelDataError(
                f"{len(number)} values of cause for {len(matrix)} rows: pass one per row"
            )
        width = check_width(template.width)
        check_follow_up(duration, number >= 0, entry, sample_weight, rows=len(matrix), width=width)
        durations = np.asarray(duration, dtype=np.float64).reshape(-1)
        horizon = check_horizon(template.horizon, longest=float(durations.max()), width=width)
        models = []
        for index, name in enumerate(causes):
            own = number == index
            ends = _full_periods(durations, (number >= 0) & ~own, width)
            model: HazardModel = clone(template).set_params(horizon=horizon)
            if template.rounds is None and int(own.sum()) < _FEWEST:
                model.set_params(rounds=1)
            try:
                model.fit(
                    matrix, ends, own, entry=entry, sample_weight=sample_weight, customer=customer
                )
            except ModelDataError as error:
                raise ModelDataError(f"cause '{name}': {error}") from error
            models.append(model)
        self.causes_, self.models_ = causes, tuple(models)
        return self

    @property
    def scorer_(self) -> CompetingRisksScorer:
        """The fitted hazards of all causes."""
        check_is_fitted(self, "models_")
        return CompetingRisksScorer(self.causes_, [model.scorer_ for model in self.models_])

    def predict_incidence(
        self, X: Any, times: ArrayLike, *, age: ArrayLike | None = None
    ) -> NDArray[np.float64]:
        """Return the probability of having left for each cause by each time.

        Parameters
        ----------
        X : (n, f) encoded matrix, missing as NaN
        times : (t,) zero or more, in the unit of the durations
        age : (n,) or number
            Time that each customer has already survived; `times` count from now. 0 if not given.

        Returns
        -------
        (n, t, causes) probabilities; with `predict_survival` they sum to 1

        Raises
        ------
        ModelDataError
            Shapes differ, or a time is negative, missing or too large.
        """
        check_is_fitted(self)
        return self.scorer_.incidence(check_features(self, X, reset=False), times, age=age)

    def predict_survival(
        self, X: Any, times: ArrayLike, *, age: ArrayLike | None = None
    ) -> NDArray[np.float64]:
        """Return the probability of being active at each time, (n, t).

        Parameters
        ----------
        X, times, age
            As `predict_incidence`.

        Returns
        -------
        (n, t)
        """
        check_is_fitted(self)
        return self.scorer_.survival(check_features(self, X, reset=False), times, age=age)

    def predict(self, X: Any) -> NDArray[np.str_]:
        """Return the most probable cause of churn within the models' horizon, (n,)."""
        check_is_fitted(self)
        incidence = self.predict_incidence(X, [self.scorer_.horizon])[:, 0]
        causes: NDArray[np.str_] = np.array(self.causes_)[incidence.argmax(axis=1)]
        return causes

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.target_tags.required = True
        return tags


def _full_periods(
    duration: NDArray[np.float64], other_cause: NDArray[np.bool_], width: float
) -> NDArray[np.float64]:
    """Return durations with those that end by another cause extended to the end of a period."""
    ends = duration.copy()
    ends[other_cause] = np.ceil(period_units(ends[other_cause], width)) * width
    return ends
