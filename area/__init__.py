"""Technologies, synthesis, and the search for the smallest MAC."""

from halfbyte.area.design import Design
from halfbyte.area.proof import ProofError
from halfbyte.area.proof_record import is_proved
from halfbyte.area.search import synthesise
from halfbyte.area.technology import Technology, from_liberty, load_technology, technology_names

__all__ = [
    "Design",
    "ProofError",
    "Technology",
    "from_liberty",
    "is_proved",
    "load_technology",
    "synthesise",
    "technology_names",
]
