"""The runners that start real processes, in sandboxes (namespaces) or containers.

Imports `cases`, the layers below it and `harness.runners.inside`, never `harness.runners.fake`.
"""
