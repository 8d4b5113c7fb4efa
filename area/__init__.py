"""Technologies, synthesis, and the search for the smallest MAC."""

from halfbyte.area.search import Design, synthesise
from halfbyte.area.technology import Technology, from_liberty, load_technology, technology_names

__all__ = [
    "Design",
    "Technology",
    "from_liberty",
    "load_technology",
    "synthesise",
    "technology_names",
]
