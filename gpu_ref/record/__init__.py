"""One command that runs everything on a GPU and keeps the results: ``make gpu-record``.

Needs Python, PyTorch with CUDA, PyYAML and nvcc. Each part runs in a separate process with a time
limit. Every result is written at once, so an interrupted run keeps its results.
"""
