"""Fake `/opt/ml` worlds: trees, what each type of job puts there, archives. Imports `contracts`."""
