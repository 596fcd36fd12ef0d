from .io.raw_tables import find_tables as find_tables
from .io.raw_tables import raw_table as raw_table
from .io.raw_tables import snapshot_file as snapshot_file
from .io.sources import Query as Query
from .io.sources import open_source as open_source
from .io.table_file import open_table as open_table
from .io.table_file import read_table as read_table
from .jobs.decide import DecisionPeriod as DecisionPeriod
from .jobs.erase import Erasure as Erasure
from .jobs.erase import erase_customers as erase_customers
from .jobs.learn import LearnReport as LearnReport
from .jobs.learn import learn as learn
from .jobs.plan import PlanReport as PlanReport
from .jobs.plan import plan as plan
from .jobs.rank import RankReport as RankReport
from .jobs.rank import rank as rank
from .jobs.score import ScoreReport as ScoreReport
from .jobs.score import score as score

__all__ = [
    "DecisionPeriod",
    "Erasure",
    "LearnReport",
    "PlanReport",
    "Query",
    "RankReport",
    "ScoreReport",
    "erase_customers",
    "find_tables",
    "learn",
    "open_source",
    "open_table",
    "plan",
    "rank",
    "raw_table",
    "read_table",
    "score",
    "snapshot_file",
]
