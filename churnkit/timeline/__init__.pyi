from churnkit.core.predicate import Where as Where

from .aggregations import Count as Count
from .aggregations import Current as Current
from .aggregations import CurrentSum as CurrentSum
from .aggregations import DaysSince as DaysSince
from .aggregations import DistinctDays as DistinctDays
from .aggregations import Feature as Feature
from .aggregations import Last as Last
from .aggregations import Max as Max
from .aggregations import Mean as Mean
from .aggregations import Min as Min
from .aggregations import OpenCount as OpenCount
from .aggregations import Ratio as Ratio
from .aggregations import Recency as Recency
from .aggregations import Share as Share
from .aggregations import Sum as Sum
from .aggregations import Tenure as Tenure
from .aggregations import Trend as Trend
from .build_snapshots import build as build
from .build_snapshots import build_to as build_to
from .engines.spark import to_spark as to_spark
from .forward_split import ForwardSplit as ForwardSplit
from .forward_split import repeat_weights as repeat_weights
from .labels import ActiveSubscription as ActiveSubscription
from .labels import ActiveWithin as ActiveWithin
from .labels import ContractualChurn as ContractualChurn
from .labels import InactivityChurn as InactivityChurn
from .labels import RevenueContraction as RevenueContraction
from .leakage import Leak as Leak
from .leakage import LeakageError as LeakageError
from .leakage import find_changes as find_changes
from .leakage import find_leaks as find_leaks
from .leakage import refuse_leaks as refuse_leaks
from .snapshots import Snapshots as Snapshots
from .source_tables import RawColumn as RawColumn
from .source_tables import Table as Table
from .sql.compiler import DIALECTS as DIALECTS
from .sql.compiler import to_sql as to_sql
from .timeline import Timeline as Timeline

__all__ = [
    "DIALECTS",
    "ActiveSubscription",
    "ActiveWithin",
    "ContractualChurn",
    "Count",
    "Current",
    "CurrentSum",
    "DaysSince",
    "DistinctDays",
    "Feature",
    "ForwardSplit",
    "InactivityChurn",
    "Last",
    "Leak",
    "LeakageError",
    "Max",
    "Mean",
    "Min",
    "OpenCount",
    "Ratio",
    "RawColumn",
    "Recency",
    "RevenueContraction",
    "Share",
    "Snapshots",
    "Sum",
    "Table",
    "Tenure",
    "Timeline",
    "Trend",
    "Where",
    "build",
    "build_to",
    "find_changes",
    "find_leaks",
    "refuse_leaks",
    "repeat_weights",
    "to_spark",
    "to_sql",
]
