"""Implements ``make gpu-record``, which checks and times the kernels on a GPU.

The command needs Python, PyTorch with CUDA, NumPy, PyYAML, nvcc and a C++ compiler. A run consists
of *parts*: each is one check or one benchmark, and runs in a separate process with a time limit.
Every result is written at once, so an interrupted run keeps its results.
"""
