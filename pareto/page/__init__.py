"""One self-contained HTML page of all results, with a plot, a table, details and a comparison."""

from halfbyte.pareto.page.build import write_page

__all__ = ["write_page"]
