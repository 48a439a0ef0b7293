"""Users' files, read so that an error names file, line and key. Imports `errors` alone."""
