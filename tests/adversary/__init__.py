"""Hostile and clumsy attempts on the harness: none forges a verdict or leaves its world."""
