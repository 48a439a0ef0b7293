"""The parts of the pytest plugin: options, collection, cases, runners, fixtures."""
