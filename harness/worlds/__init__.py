"""Builds `/opt/ml` trees, job files and model archives; imports `contracts` and below."""
