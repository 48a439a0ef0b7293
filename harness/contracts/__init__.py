"""Reads contracts of every form into one data model; imports `files` and below."""
