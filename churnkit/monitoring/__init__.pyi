from .checks import MonitorReport as MonitorReport
from .checks import monitor as monitor
from .finding import Finding as Finding

__all__: list[str]
