"""One command that runs everything on a GPU and keeps the results: ``make gpu-record``.

The command needs Python, PyTorch with CUDA, PyYAML and nvcc. A run consists of *parts*: each is one
check or one benchmark, and runs in a separate process with a time limit. Every result is written at
once, so an interrupted run keeps its results.
"""
