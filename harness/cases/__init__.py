"""Defines cases and what each must do: axes, matrix, expectations; imports `worlds` and below."""
