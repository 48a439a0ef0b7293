"""Runs of steps: cases through runners, on workers, with a cache; imports all but commands."""
