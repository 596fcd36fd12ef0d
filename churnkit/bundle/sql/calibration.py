"""Calibration maps as SQL: probabilities with the bits of `Calibration.apply`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from churnkit.bundle.sql.dialect import number
from churnkit.bundle.sql.expression import Operand, search
from churnkit.core.stats.exponential import (
    EXP_LIMIT,
    LN2_HIGH,
    LN2_LOW,
    ROOTS_OF_TWO,
    STEPS_PER_UNIT,
    exp_polynomial,
    log1p_polynomial,
)

if TYPE_CHECKING:
    from churnkit.bundle.sql.dialect import SqlDialect
    from churnkit.bundle.sql.steps import Steps
    from churnkit.models.calibration.maps import Calibration
    from churnkit.models.calibration.venn_abers import VennAbers

__all__ = ["add_interval", "add_probability"]


@dataclass(frozen=True)
class _Formula:
    """A SQL expression that the polynomials calculate with."""

    text: str

    def __add__(self, other: float) -> _Formula:
        return _Formula(f"({self.text} + {number(other)})")

    def __mul__(self, other: float | _Formula) -> _Formula:
        factor = other.text if isinstance(other, _Formula) else number(other)
        return _Formula(f"({self.text} * {factor})")


def add_probability(
    calibration: Calibration, raw: str, steps: Steps, dialect: SqlDialect, *, floor: float
) -> str:
    """Add the probabilities of log-odds, and return their column."""
    steps.close()
    if calibration.method == "isotonic":
        logit = steps.add("l", _isotonic(calibration, raw, dialect))
    else:
        logit = _add_parametric(calibration, raw, steps, dialect)
    small = _add_exp_minus(logit, steps, dialect)
    steps.close()
    positive = f"CASE WHEN {logit} >= 0 THEN {dialect.double(1.0)} ELSE {small} END"
    bounded = f"GREATEST({positive} / ({number(1.0)} + {small}), {number(floor)})"
    return steps.add("p", f"LEAST({bounded}, {number(1 - floor)})")


def add_interval(
    intervals: VennAbers, probability: str, steps: Steps, dialect: SqlDialect
) -> tuple[str, str]:
    """Add the lower and the upper end of probabilities, and return their columns."""
    steps.close()
    thresholds = intervals.thresholds.tolist()
    ends = []
    for function, steps_of in (("LEAST", intervals.lower), ("GREATEST", intervals.upper)):
        values = [Operand.of(value) for value in steps_of.tolist()]
        end = search(dialect, probability, thresholds, values, below="<").typed(dialect)
        ends.append(steps.add("i", f"{function}({end}, {probability})"))
    return ends[0], ends[1]


def _add_parametric(calibration: Calibration, raw: str, steps: Steps, dialect: SqlDialect) -> str:
    a, b, c = calibration.slopes.tolist()
    if a == b:
        return raw if (a, c) == (1.0, 0.0) else steps.add("l", f"{raw} * {number(a)} + {number(c)}")
    small = _add_exp_minus(raw, steps, dialect)
    steps.close()
    ratio = steps.add("t", f"{small} / ({small} + {number(2.0)})")
    steps.close()
    squared = steps.add("t", f"{ratio} * {ratio}")
    steps.close()
    log = steps.add("t", log1p_polynomial(_Formula(ratio), _Formula(squared)).text)
    steps.close()
    above, below = (f"(GREATEST({side}{raw}, {number(0.0)}) + {log})" for side in ("", "-"))
    return steps.add("l", f"{number(b)} * {above} - {number(a)} * {below} + {number(c)}")


def _isotonic(calibration: Calibration, raw: str, dialect: SqlDialect) -> str:
    knots, logits = calibration.knots.tolist(), calibration.logits.tolist()
    below, _, above = calibration.slopes.tolist()
    pieces = [
        Operand(
            f"LEAST({number(logits[left])} + {number(logits[left + 1] - logits[left])}"
            f" * (({raw} - ({number(knots[left])})) / {number(knots[left + 1] - knots[left])}),"
            f" {number(logits[left + 1])})"
        )
        for left in range(len(knots) - 1)
    ]
    first, last = (
        Operand(f"{number(logits[end])} + ({raw} - ({number(knots[end])})) * {number(slope)}")
        for end, slope in ((0, below), (-1, above))
    )
    return search(dialect, raw, knots, [first, *pieces, last], below="<").text


def _add_exp_minus(column: str, steps: Steps, dialect: SqlDialect) -> str:
    """Add ``exp(-abs(column))`` by the operations of `exp_minus`, and return its column."""
    steps.close()
    exponent = steps.add("e", f"-LEAST(ABS({column}), {number(EXP_LIMIT)})")
    steps.close()
    step = steps.add("e", f"FLOOR({exponent} * {number(STEPS_PER_UNIT)} + {number(0.5)})")
    steps.close()
    rest = steps.add(
        "e",
        f"({exponent} - {step} * {number(LN2_HIGH)}) - {step} * {number(LN2_LOW)}",
    )
    size = len(ROOTS_OF_TWO)
    power = steps.add("e", f"FLOOR({step} * {number(1 / size)})")
    steps.close()
    within = steps.add("e", f"{step} - {power} * {number(size)}")
    polynomial = steps.add("e", exp_polynomial(_Formula(rest)).text)
    steps.close()
    roots = [Operand.of(root) for root in ROOTS_OF_TWO]
    cuts = [float(cut) for cut in range(1, size)]
    root = search(dialect, within, cuts, roots, below="<").text
    two = dialect.double(2.0)
    return steps.add("e", f"({polynomial} * {root}) * POWER({two}, {power})")
