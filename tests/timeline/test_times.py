"""Times as text: zones are honored or refused, and years stay in the calendar."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from churnkit.errors import ChurnkitError
from churnkit.timeline import ActiveWithin, Recency, Snapshots, Table, Timeline, build

ZONES = ["UTC", "Europe/Berlin", "America/New_York"]
CLOCK = dt.datetime(2024, 12, 30, 0, 30)  # noqa: DTZ001
AS_OF = dt.datetime(2025, 2, 1, tzinfo=dt.UTC)


def days_since(value, zone="UTC"):
    plan = Timeline(
        tables=[Table("visits", "who", happened="at", time_zone=zone)],
        features={"days": Recency("visits")},
        snapshots=Snapshots(dates=("2025-02-01",)),
        eligible=ActiveWithin("visits", days=365),
    )
    visits = value if isinstance(value, pa.Table) else pa.table({"who": ["a"], "at": [value]})
    return build(plan, {"visits": visits})["days"].to_pylist()[0]


def expected(moment):
    return (AS_OF - dt.timedelta(microseconds=1) - moment.astimezone(dt.UTC)).days


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(
    ("suffix", "offset_hours"),
    [(" UTC", 0), ("Z", 0), (" Z", 0), ("+00", 0), (" GMT", 0), ("+0530", 5.5), ("-05:00", -5),
     (".123456789Z", 0), (".5+01:00", 1)],
)  # fmt: skip
def test_an_offset_is_honored_in_every_zone(zone, suffix, offset_hours):
    moment = CLOCK.replace(tzinfo=dt.timezone(dt.timedelta(hours=offset_hours)))
    assert days_since(f"{CLOCK:%Y-%m-%d %H:%M:%S}{suffix}", zone) == expected(moment)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("form", ["%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", "%Y/%m/%d %H:%M:%S"])
def test_a_time_without_an_offset_is_in_the_zone_of_the_table(zone, form):
    assert days_since(CLOCK.strftime(form), zone) == expected(CLOCK.replace(tzinfo=ZoneInfo(zone)))


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(
    "text",
    [
        "2024-12-30 00:30:00 Europe/Berlin", "2024-12-30 00:30 CET", "2024-12-30 00:30:00 EST",
        "-infinity", "infinity", "epoch", "0044-01-01 (BC)", "-2024-01-01", "12/30/2024",
        "2024-12-30 00:30:00 UTC+1", "2024-12-30 12:30 PM",
    ],
)  # fmt: skip
def test_other_zones_and_forms_are_refused(zone, text):
    visits = pa.table({"who": ["a", "b"], "at": [text, "2025-01-10"]})
    with pytest.raises(ChurnkitError, match=r"'at' has texts .* \(1 of 2 rows\)") as refusal:
        days_since(visits, zone)
    assert text not in str(refusal.value)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(
    "at",
    [
        pa.array(["20224-01-01", "2025-01-10"]),
        pa.array(["10000-06-01", "2025-01-10"]),
        pa.array([576_000_000_000_000_000, 1_736_500_000_000_000], pa.timestamp("us")),
        pa.array([576_000_000_000, 1_736_500_000], pa.timestamp("s", "UTC")),
    ],
)
def test_a_year_outside_the_calendar_is_refused(zone, at):
    visits = pa.table({"who": ["a", "b"], "at": at})
    with pytest.raises(ChurnkitError, match="'at' has 1 times outside the years 1 to 9999"):
        days_since(visits, zone)
