"""What runs inside a sandbox or a container: Python 3.8, the standard library, no other room."""
