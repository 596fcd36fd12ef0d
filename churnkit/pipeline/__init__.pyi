from churnkit.core.io.raw_tables import raw_table as raw_table
from churnkit.core.io.table_file import read_table as read_table

from .checks.preconditions import Needs as Needs
from .checks.preconditions import PreconditionError as PreconditionError
from .declarations import Experiment as Experiment
from .declarations import Lifetime as Lifetime
from .recipe import Recipe as Recipe
from .recipe import load_recipe as load_recipe
from .training.data.holdout_split import Split as Split
from .training.promotion_gate import PromotionGate as PromotionGate
from .training.train import TrainingResult as TrainingResult
from .training.train import train as train

__all__: list[str]
