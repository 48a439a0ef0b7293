"""Proves that an Amazon SageMaker step script keeps its contract."""
