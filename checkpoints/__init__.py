"""Read and write models on disk: tensor files, quantized checkpoints, compressed folders.

A checkpoint is a folder with a model's weights and its configuration.
"""
