from .gather import ReportData as ReportData
from .gather import gather as gather
from .report import Report as Report
from .report import build_report as build_report

__all__: list[str]
