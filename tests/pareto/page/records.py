"""Made-up records, as commands print them, for the tests of the page."""

NETLIST = "// </script> must not end the page\nmodule mac; endmodule\n"


def synthesis(name, area, **changes):
    """A record of ``halfbyte synth`` for a format, with its area in µm²."""
    return {
        "format": name,
        "activation": name,
        "unit": "mac",
        "architecture": "sign_magnitude",
        "recipe": "anneal",
        "terms": 256,
        "acc_width": 16,
        "overflow": "wrap",
        "technology": "sky130hd",
        "corner": "tt 25 C 1.80 V",
        "clock_ps": None,
        "area_um2": area,
        "area_ge": area / 4,
        "cells": 90,
        "delay_ps": 7000.0,
        "energy_fj": 1200.0,
        "glitch_energy_fj": 1200.0,
        "leakage_nw": None,
        "critical_path": "w[0] to acc[15]",
        "not_measured": None,
        "proof": {"status": "proved", "method": "all pairs of codes"},
        "netlist": f"{name}.v",
        "versions": {"halfbyte": "0.2.0", "pyosys": "0.70"},
        **changes,
    }


def evaluation(name, fidelity, **changes):
    """A record of ``halfbyte evaluate`` for a format."""
    measure = {
        "title": "fidelity of sentence embeddings",
        "value": fidelity,
        "low": fidelity - 0.002,
        "high": fidelity + 0.002,
        "loss": 1 - fidelity,
        "loss_low": 0.998 - fidelity,
        "loss_high": 1.002 - fidelity,
    }
    return {
        "format": name,
        "model": "all-MiniLM-L6-v2",
        "text": "docstrings",
        "context": None,
        "items": 454,
        "item": "texts",
        "recipe": "w4",
        "recipe_parameters": {"title": "weights only"},
        "bits_per_weight": 4.25,
        "measures": {"fidelity": measure},
        "sqnr_db": 19.0,
        "versions": {"torch": "2.13.0"},
        **changes,
    }


RECORDS = [
    synthesis("int4", 1000.0),
    synthesis("e2m1", 1010.0),
    synthesis("apot4", 950.0),
    synthesis("sf4", 2400.0),
    synthesis("int8", 2500.0),
    synthesis("int4", 20.0, technology="asap7"),
    synthesis("e2m1", 22.0, technology="asap7"),
    evaluation("int4", 0.958),
    evaluation("e2m1", 0.971),
    evaluation("apot4", 0.9712),
    evaluation("sf4", 0.977),
    evaluation("int8", 0.9999),
    evaluation("e2m1", 0.93, recipe="w4a4"),
]
