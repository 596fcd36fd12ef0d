from churnkit.core.io.table_sources import Query as Query
from churnkit.core.io.table_sources import open_source as open_source

from .io.raw_snapshots import snapshot_file as snapshot_file
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

__all__: list[str]
