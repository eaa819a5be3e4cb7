"""Reports: tables and figures as data, written as an HTML page, CSV, JSON and LaTeX."""
