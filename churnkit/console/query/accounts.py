"""Figures of accounts and of their parents, from their customers."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa
    from numpy.typing import NDArray

__all__ = ["GROUP_SORTS", "AccountFigures", "AccountGroups"]

GROUP_SORTS: Final = ("at_risk", "risk", "value", "users", "gain", "name")


@dataclass(frozen=True, slots=True)
class AccountFigures:
    """Figures of an account, or of a parent with all its accounts.

    Parameters
    ----------
    name
        Its name in the customers' table.
    users
        Number of its customers.
    risk
        Churn risk of its customers: the mean weighted by value, or the plain mean without values.
    health
        100 x (1 - risk).
    churning
        Expected number of its customers who leave.
    value, at_risk
        Sums over its customers, in money; None without a value column.
    actions, expected_gain, cost
        Number of planned actions, and the sums of their gain and cost.
    """

    name: str
    users: int
    risk: float
    health: float
    churning: float
    value: float | None
    at_risk: float | None
    actions: int
    expected_gain: float
    cost: float


class AccountGroups:
    """Customers grouped by a column of their table.

    Parameters
    ----------
    title
        Label of the column.
    texts
        The group of each customer, (n,); missing and blank texts are no group.
    valid
        Which rows are valid, (n,); others belong to no group.
    figures
        Numbers of the customers by name, (n,) each: ``risk``, ``at_risk``, ``action`` (-1 for
        none), ``gain``, ``cost``, and ``value`` if there is one.
    """

    def __init__(
        self,
        title: str,
        texts: pa.ChunkedArray,
        valid: NDArray[np.bool_],
        figures: Mapping[str, NDArray[Any]],
    ) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        self.title = title
        self._customers = figures
        self.valid = valid
        trimmed = pc.utf8_trim_whitespace(texts.cast(pa.string()))
        named = pc.if_else(pc.equal(trimmed, ""), None, trimmed)
        encoded = named.combine_chunks().dictionary_encode()
        self.codes: NDArray[np.int32] = (
            encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)
        )
        self.codes[~valid] = -1
        self.names: tuple[str, ...] = tuple(encoded.dictionary.to_pylist())

    def among(self, rows: NDArray[np.bool_]) -> AccountGroups:
        """Return the groups with some of their customers only.

        Parameters
        ----------
        rows
            Which rows of the table stay, (n,).
        """
        groups = copy(self)
        groups.__dict__.pop("_sums", None)
        groups.valid, groups.codes = self.valid & rows, np.where(rows, self.codes, -1)
        return groups

    @cached_property
    def _codes_by_name(self) -> Mapping[str, int]:
        return {name: code for code, name in enumerate(self.names)}

    def name(self, row: int) -> str:
        """Return the group of a row; empty for none."""
        code = int(self.codes[row])
        return self.names[code] if code >= 0 else ""

    def mask(self, name: str) -> NDArray[np.bool_]:
        """Return which rows belong to a group, (n,); an empty name is no group."""
        mask: NDArray[np.bool_] = self.codes == self._codes_by_name.get(
            name, -1 if not name else -2
        )
        return mask & self.valid

    def figures(self, name: str) -> AccountFigures | None:
        """Return the figures of a group; None if no valid row belongs to it."""
        code = self._codes_by_name.get(name, -1)
        return self._figures(code) if code >= 0 and self._sums["users"][code] else None

    def order(self, sort: str, *, text: str = "", descending: bool = True) -> list[int]:
        """Return the positions of the groups in an order.

        Parameters
        ----------
        sort
            A name in `GROUP_SORTS`.
        text
            Part of the name, in any case.
        descending
            Whether the largest come first.
        """
        codes: NDArray[np.int64] = np.flatnonzero(self._sums["users"])
        needle = text.strip().lower()
        if needle:
            found = [needle in self.names[code].lower() for code in codes.tolist()]
            codes = codes[np.array(found, np.bool_)]
        if sort == "name":
            by_name = sorted(codes.tolist(), key=lambda code: self.names[code].casefold())
            return by_name[::-1] if descending else by_name
        keys = self._sums[sort][codes]
        order: list[int] = codes[np.argsort(-keys if descending else keys, kind="stable")].tolist()
        return order

    def page(self, codes: list[int]) -> list[AccountFigures]:
        """Return the figures of groups by position."""
        return [self._figures(code) for code in codes]

    @cached_property
    def _sums(self) -> Mapping[str, NDArray[np.float64]]:
        figures, used = self._customers, self.codes >= 0
        codes, count = self.codes[used], len(self.names)

        def total(column: NDArray[Any]) -> NDArray[np.float64]:
            weights = np.asarray(column, np.float64)[used]
            return np.bincount(codes, weights, minlength=count).astype(np.float64)

        users = np.bincount(codes, minlength=count).astype(np.float64)
        churning = total(figures["risk"])
        value, weighted = users, churning
        if "value" in figures:
            value, weighted = total(figures["value"]), total(figures["risk"] * figures["value"])
        # Customers weigh equally where the whole account has no revenue.
        with np.errstate(invalid="ignore", divide="ignore"):
            risk = np.where(value > 0.0, weighted / value, churning / users)
        return {
            "users": users,
            "churning": churning,
            "risk": np.clip(risk, 0.0, 1.0),
            "value": value,
            "at_risk": total(figures["at_risk"]),
            "actions": total(figures["action"] >= 0),
            "gain": total(figures["gain"]),
            "cost": total(figures["cost"]),
        }

    def _figures(self, code: int) -> AccountFigures:
        sums = {name: float(values[code]) for name, values in self._sums.items()}
        has_value = "value" in self._customers
        return AccountFigures(
            self.names[code],
            round(sums["users"]),
            sums["risk"],
            100.0 * (1.0 - sums["risk"]),
            sums["churning"],
            sums["value"] if has_value else None,
            sums["at_risk"] if has_value else None,
            round(sums["actions"]),
            sums["gain"],
            sums["cost"],
        )
