from .brand import Brand as Brand
from .digest import write_digest as write_digest
from .gather import ReportData as ReportData
from .gather import gather_report_data as gather_report_data
from .report import Report as Report
from .report import build_report as build_report

__all__: list[str]
