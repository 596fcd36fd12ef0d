from . import batch as batch
from . import bundle as bundle
from . import contracts as contracts
from . import datasets as datasets
from . import decisions as decisions
from . import displays as displays
from . import evaluation as evaluation
from . import insights as insights
from . import journal as journal
from . import models as models
from . import monitoring as monitoring
from . import pipeline as pipeline
from . import report as report
from . import server as server
from . import timeline as timeline
from . import trees as trees
from .bundle import RetentionModel as RetentionModel
from .bundle import load as load
from .contracts import Contract as Contract
from .errors import ChurnkitError as ChurnkitError
from .errors import DataError as DataError

__version__: str

__all__: list[str]
