"""The fake runner: the script runs in a fake file system (pyfakefs) in a forked process.

Imports `cases`, the layers below it and `harness.runners.inside`, never `harness.runners.real`.
"""
