"""Runs of steps: cases through a runner, with workers, a cache, reports. Imports what runs them."""
