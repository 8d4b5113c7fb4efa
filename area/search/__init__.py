"""The search for the smallest netlist of a design, and the jobs that it runs."""
