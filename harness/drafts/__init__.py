"""Drafts a contract from the facts of a script; imports `reading` and below."""
