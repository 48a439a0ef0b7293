"""What runs inside a sandbox or container; imports the standard library (Python 3.8) alone."""
