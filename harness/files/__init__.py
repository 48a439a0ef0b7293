"""Reads users' files, with errors that name file, line and key; imports `errors` alone."""
