CASES: list[tuple[str, str, str]] = []
