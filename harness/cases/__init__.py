"""What is tried: the matrix, its cases, and what each must do. Imports `worlds` and below."""
