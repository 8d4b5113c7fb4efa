"""One command that runs everything on a GPU and keeps what it found: ``make gpu-record``.

Needs Python, PyTorch with CUDA, PyYAML and nvcc. Each part runs in a process of its own with a time
limit, and every result is written as it comes: a run that is cut short keeps what it has.
"""
