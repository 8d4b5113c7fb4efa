"""Models as files: tensor files, quantized checkpoints, folders compressed without loss.

PyTorch is imported only when something is computed.
"""
