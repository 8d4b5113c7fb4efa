"""Read and write models as files: tensor files, quantized checkpoints, compressed folders.

PyTorch is imported only when something is computed.
"""
