"""Reports: tables and figures as data, written as an HTML page, CSV, JSON and LaTeX."""

from ossicle.reports.notebook import to_plotly
from ossicle.reports.parts import Cell, Figure, Report, Section, Table
from ossicle.reports.write import write_report

__all__ = ["Cell", "Figure", "Report", "Section", "Table", "to_plotly", "write_report"]
