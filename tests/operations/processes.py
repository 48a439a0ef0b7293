"""Operations on the streams and the end of a process, each made in a process of its own."""

PROCESSES = {
    "standard error is opened anew": """
        import sys

        sys.stderr = open(2, 'w', closefd=False)
        print('x', file=sys.stderr)
    """,
    "standard output is opened anew": """
        import sys

        sys.stdout = open(sys.stdout.fileno(), 'w', encoding='utf8', buffering=1)
        print('é')
    """,
    "standard output of its descriptor": """
        import sys

        sys.stdout = os.fdopen(1, 'w', 1, closefd=False)
        print('line')
    """,
    "standard output is closed": """
        import sys

        sys.stdout.close()
    """,
    "no standard output": """
        import sys

        sys.stdout = None
        print('x')
    """,
    "no standard error": """
        import sys

        sys.stderr = None
        raise ValueError('x')
    """,
    "the descriptor of standard output is closed": "os.close(1)",
    "a generator that nobody ends": """
        import tempfile


        def g():
            with tempfile.TemporaryDirectory(dir=O) as d:
                yield d


        k = g()
        next(k)
    """,
}
