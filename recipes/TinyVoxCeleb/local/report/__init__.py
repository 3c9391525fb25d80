"""From a scored run to one self-contained HTML page that shows it."""

from local.report.page import make_report
from local.report.projection import export_projector

__all__ = ["export_projector", "make_report"]
