"""Reads a script without running it, and tells its facts; imports `cases` and below."""
