"""What a command says when it is interrupted."""

__all__ = ["MESSAGE"]

MESSAGE = "finished results are kept, and the next run continues from them"
