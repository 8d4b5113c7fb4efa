"""One self-contained HTML page of all results: plot, table, details, comparison."""

from halfbyte.pareto.page.build import write_page

__all__ = ["write_page"]
