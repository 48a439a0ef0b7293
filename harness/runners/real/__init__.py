"""The runners with a real kernel: sandboxes (namespaces) and containers."""
