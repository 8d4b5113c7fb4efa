"""Delay and energy of netlists, from the library's tables."""
