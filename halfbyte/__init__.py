"""Hardware design and simulation of 4-bit number formats.

The rooms are subpackages: ``halfbyte.formats``, ``golden``, ``rtl``, ``checkpoints``, ``accuracy``,
``sim``, ``area``, ``gpu_ref`` and ``pareto``. They are imported on first use.
"""

__all__ = ["__version__"]

__version__ = "0.1.0"
