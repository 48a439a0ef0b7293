"""Operations on files that nobody closes, and on paths that lead nowhere."""

UNCLOSED = {
    "copied before it is closed": """
        open(B + '/u', 'w').write('hello')
        import shutil

        shutil.copy(B + '/u', B + '/v')
        print(open(B + '/v').read())
    """,
    "rows that a function has written": """
        import csv


        def f():
            w = csv.writer(open(B + '/u', 'w'))
            w.writerow([1, 2])
            w.writerow([3, 4])


        f()
        print(open(B + '/u').read())
    """,
    "rows of a writer that is kept": """
        import csv

        w = csv.writer(open(B + '/u', 'w'))
        w.writerow([1, 2])
        os.path.getsize(B + '/u')
        w.writerow([3, 4])
        del w
        print(repr(open(B + '/u').read()))
    """,
    "a pickle": """
        import pickle

        pickle.dump([1], open(B + '/u', 'wb'))
        print(pickle.load(open(B + '/u', 'rb')))
    """,
    "what is printed": """
        print('x', file=open(B + '/u', 'w'))
        print(open(B + '/u').readlines())
    """,
    "what is packed": """
        import zipfile

        open(B + '/u', 'w').write('x' * 5)
        z = zipfile.ZipFile(B + '/z.zip', 'w')
        z.write(B + '/u', 'u')
        z.close()
        print(zipfile.ZipFile(B + '/z.zip').read('u'))
        os.remove(B + '/z.zip')
    """,
    "a file of a path": """
        from pathlib import Path

        Path(B, 'u').open('w').write('abc')
        print(Path(B, 'u').read_text(), Path(B, 'u').stat().st_size)
    """,
    "a reader of a file": """
        import csv

        r = csv.reader(open(B + '/a.txt'))
        os.stat(B)
        print(list(r))
    """,
    "a method that is kept": """
        w = open(B + '/u', 'w').write
        w('a')
        os.stat(B + '/a.txt')
        w('b')
        del w
        print(open(B + '/u').read())
    """,
    "a gzip file": """
        import gzip

        gzip.open(B + '/u.gz', 'wt').write('hi')
        print(gzip.open(B + '/u.gz', 'rt').read())
        os.remove(B + '/u.gz')
    """,
    "a wrapper": """
        import io

        t = io.TextIOWrapper(open(B + '/u', 'wb'))
        t.write('x')
        os.stat(B)
        t.write('y')
        t.close()
        print(open(B + '/u').read())
    """,
    "files in a list": """
        fs = [open(B + '/u%d' % i, 'w') for i in range(3)]
        for f in fs:
            f.write('q')
            os.stat(B)
        [f.close() for f in fs]
        print([open(B + '/u%d' % i).read() for i in range(3)])
    """,
    "a log": """
        import logging

        logging.basicConfig(filename=B + '/l.log', level='INFO')
        logging.info('a')
        os.stat(B)
        logging.info('b')
        logging.shutdown()
        print(open(B + '/l.log').read())
    """,
    "a file of a descriptor": """
        os.fdopen(os.open(B + '/w', os.O_CREAT | os.O_WRONLY), 'w').write('x')
        print(open(B + '/w').read())
    """,
    "a file that a function is given": """
        def use(f):
            os.stat(B)
            f.write('1')


        use(open(B + '/u', 'w'))
        print(open(B + '/u').read())
    """,
    "a file that an object has": """
        class H:
            def __init__(s):
                s.f = open(B + '/u', 'w')

            def w(s, t):
                os.stat(B)
                s.f.write(t)


        h = H()
        h.w('a')
        h.w('b')
        h.f.close()
        print(open(B + '/u').read())
    """,
    "lines of another file": """
        open(B + '/u', 'w').writelines((l for l in open(B + '/a.txt')))
        print(open(B + '/u').read())
    """,
}

NOWHERE = {
    "whatever is done with a path that leads nowhere": """
        import os, pathlib, shutil

        os.chdir(B)
        for base in (B + '/', '', './'):
            for end in ('no', 'no/x', 'a.txt/x', 'pkg', 'app/../no/x'):
                path = base + end
                one = pathlib.Path(path)
                for name, attempt in {
                    'open': lambda: open(path),
                    'open to write': lambda: open(path, 'w'),
                    'open anew': lambda: open(path, 'x'),
                    'os.open': lambda: os.open(path, os.O_WRONLY | os.O_CREAT),
                    'os.stat': lambda: os.stat(path),
                    'os.lstat': lambda: os.lstat(path),
                    'os.listdir': lambda: os.listdir(path),
                    'os.scandir': lambda: os.scandir(path),
                    'os.mkdir': lambda: os.mkdir(path),
                    'os.remove': lambda: os.remove(path),
                    'os.rmdir': lambda: os.rmdir(path),
                    'os.chmod': lambda: os.chmod(path, 0o755),
                    'os.readlink': lambda: os.readlink(path),
                    'os.chdir': lambda: os.chdir(path),
                    'os.truncate': lambda: os.truncate(path, 0),
                    'getsize': lambda: os.path.getsize(path),
                    'getmtime': lambda: os.path.getmtime(path),
                    'rename': lambda: os.rename(path, B + '/no/way'),
                    'replace': lambda: os.replace(path, B + '/no/way'),
                    'rename to': lambda: os.rename('a.txt', path),
                    'link': lambda: os.link(path, B + '/no/way'),
                    'symlink': lambda: os.symlink('target', path),
                    'read': lambda: one.read_text(),
                    'write': lambda: one.write_text('x'),
                    'Path.mkdir': lambda: one.mkdir(),
                    'Path.rename': lambda: one.rename(B + '/no/way'),
                    'Path.iterdir': lambda: list(one.iterdir()),
                    'copy': lambda: shutil.copy(path, B + '/no/way'),
                    'move': lambda: shutil.move(path, B + '/no/way'),
                    'rmtree': lambda: shutil.rmtree(path) if end != 'pkg' else None,
                }.items():
                    os.chdir(B)
                    try:
                        attempt()
                    except OSError as error:
                        print(name, path, type(error).__name__, error.errno, error)
                    for left in ('no', 'no/x'):
                        if os.path.isdir(left):
                            os.rmdir(left)
                        elif os.path.lexists(left):
                            os.unlink(left)
    """,
}
