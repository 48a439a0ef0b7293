"""The fake file system is as Linux's where scripts notice: the same script, run in both.

Each script here runs in a real Python process in a real folder, and in the fake runner in the same
folder of a tree; how it ends, what it prints and what it leaves must be the same.
"""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from harness.errors import RunnerCannot
from harness.runners.fake.runner import FakeRunner
from harness.worlds.tree import Tree
from tests.unit.worlds import case_of

# The folder B has these, and a symbolic link to pkg; the folder O is empty.
FILES = {
    "a.txt": "l1\nl2\n",
    "m.py": "x = 1\n",
    "pkg/__init__.py": "",
    "pkg/d.json": "{}",
    "pkg/sub.py": "z = 9\n",
    "app/__main__.py": "y = 4\n",
    "ns/inner.py": "q = 7\n",
}
SCRIPTS = {
    "getmtime": """
        os.path.getmtime(B + '/no')
    """,
    "SourceFileLoader": """
        from importlib.machinery import SourceFileLoader
        m = SourceFileLoader('m', B + '/m.py').load_module()
        print(m.x)
    """,
    "import from other": """
        import sys
        sys.path.insert(0, B)
        import m
        print(m.x)
    """,
    "iter_modules": """
        import pkgutil
        print([m.name for m in pkgutil.iter_modules([B])])
    """,
    "open_text": """
        import importlib.resources, sys
        sys.path.insert(0, B)
        files = importlib.resources.files('pkg')
        print(files.joinpath('d.json').read_text(), files.joinpath('no').is_file())
        print(sorted(one.name for one in files.iterdir()))
    """,
    "as_file": """
        import sys
        sys.path.insert(0, B)
        import importlib.resources as r
        with r.as_file(r.files('pkg').joinpath('d.json')) as p:
            print(p.read_text())
    """,
    "metadata": """
        import importlib.metadata as m
        print(m.version('pip'), len(list(m.distributions())) > 0)
    """,
    "zone": """
        import zoneinfo
        print(zoneinfo.ZoneInfo('Asia/Tokyo'), len(zoneinfo.available_timezones()) > 100)
    """,
    "path rename": """
        from pathlib import Path
        Path(B, 'no').rename(B + '/y')
    """,
    "move": """
        import shutil
        shutil.move(B + '/no', B + '/y')
    """,
    "archive zip": """
        import shutil
        print(shutil.make_archive(O + '/z', 'zip', B).replace(B, ''))
        import zipfile
        print(sorted(zipfile.ZipFile(O + '/z.zip').namelist()))
    """,
    "archive tar": """
        import shutil, tarfile
        p = shutil.make_archive(O + '/z', 'gztar', root_dir=B, base_dir='pkg')
        print(sorted(tarfile.open(p).getnames()))
    """,
    "unpack": """
        import shutil, tarfile
        p = shutil.make_archive(O + '/z', 'bztar', B)
        shutil.unpack_archive(p, O + '/u')
        print(sorted(os.listdir(O + '/u')))
    """,
    "unclosed write copy": """
        open(B + '/u', 'w').write('hello')
        import shutil
        shutil.copy(B + '/u', B + '/v')
        print(open(B + '/v').read())
    """,
    "unclosed csv": """
        import csv

        def f():
            w = csv.writer(open(B + '/u', 'w'))
            w.writerow([1, 2])
            w.writerow([3, 4])
        f()
        print(open(B + '/u').read())
    """,
    "unclosed csv alive": """
        import csv
        w = csv.writer(open(B + '/u', 'w'))
        w.writerow([1, 2])
        os.path.getsize(B + '/u')
        w.writerow([3, 4])
        del w
        print(repr(open(B + '/u').read()))
    """,
    "unclosed pickle": """
        import pickle
        pickle.dump([1], open(B + '/u', 'wb'))
        print(pickle.load(open(B + '/u', 'rb')))
    """,
    "unclosed print": """
        print('x', file=open(B + '/u', 'w'))
        print(open(B + '/u').readlines())
    """,
    "unclosed zip": """
        import zipfile
        open(B + '/u', 'w').write('x' * 5)
        z = zipfile.ZipFile(B + '/z.zip', 'w')
        z.write(B + '/u', 'u')
        z.close()
        print(zipfile.ZipFile(B + '/z.zip').read('u'))
    """,
    "unclosed Path.open": """
        from pathlib import Path
        Path(B, 'u').open('w').write('abc')
        print(Path(B, 'u').read_text(), Path(B, 'u').stat().st_size)
    """,
    "csv reader unclosed": """
        import csv
        r = csv.reader(open(B + '/a.txt'))
        os.stat(B)
        print(list(r))
    """,
    "writelines bound": """
        w = open(B + '/u', 'w').write
        w('a')
        os.stat(B + '/a.txt')
        w('b')
        del w
        print(open(B + '/u').read())
    """,
    "gzip unclosed": """
        import gzip
        gzip.open(B + '/u.gz', 'wt').write('hi')
        print(gzip.open(B + '/u.gz', 'rt').read())
    """,
    "TextIOWrapper": """
        import io
        t = io.TextIOWrapper(open(B + '/u', 'wb'))
        t.write('x')
        os.stat(B)
        t.write('y')
        t.close()
        print(open(B + '/u').read())
    """,
    "file in list": """
        fs = [open(B + '/u%d' % i, 'w') for i in range(3)]
        for f in fs:
            f.write('q')
            os.stat(B)
        [f.close() for f in fs]
        print([open(B + '/u%d' % i).read() for i in range(3)])
    """,
    "logging file": """
        import logging
        logging.basicConfig(filename=B + '/l.log', level='INFO')
        logging.info('a')
        os.stat(B)
        logging.info('b')
        logging.shutdown()
        print(open(B + '/l.log').read())
    """,
    "stat": """
        s = os.stat(B + '/a.txt')
        import stat
        print(s[6], s[stat.ST_SIZE], len(s), tuple(s)[6], s[-4], s[6:7])
    """,
    "fstat": """
        f = open(B + '/a.txt')
        print(os.fstat(f.fileno())[6])
    """,
    "lstat dot": """
        print(os.lstat(B + '/.').st_mode == os.stat(B).st_mode)
        print(os.path.islink(B + '/link/.'), os.path.islink(B + '/link'))
    """,
    "stderr reopen": """
        import sys
        sys.stderr = open(2, 'w', closefd=False)
        print('x', file=sys.stderr)
    """,
    "stdout reopen": """
        import sys
        sys.stdout = open(sys.stdout.fileno(), 'w', encoding='utf8', buffering=1)
        print('é')
    """,
    "stdout fdopen": """
        import sys
        sys.stdout = os.fdopen(1, 'w', 1, closefd=False)
        print('line')
    """,
    "stdout close": """
        import sys
        sys.stdout.close()
    """,
    "stdout none": """
        import sys
        sys.stdout = None
        print('x')
    """,
    "stderr none": """
        import sys
        sys.stderr = None
        raise ValueError('x')
    """,
    "close 1": """
        os.close(1)
    """,
    "generator with": """
        import tempfile

        def g():
            with tempfile.TemporaryDirectory(dir=O) as d:
                yield d
        k = g()
        next(k)
    """,
    "listdir default": """
        os.chdir(B)
        print(sorted(os.listdir()), sorted((e.name for e in os.scandir())))
    """,
    "fwalk": """
        for folder, folders, files, handle in sorted(os.fwalk(B)):
            print(folder, sorted(folders), sorted(files), type(handle))
    """,
    "fwalk stat": """
        for f, d, x, h in os.fwalk(B):
            for n in x:
                os.stat(n, dir_fd=h)
        print('ok')
    """,
    "fwalk bottom": """
        print([f.replace(B, '') for f, *_ in os.fwalk(B, topdown=False)][-1:])
    """,
    "run_path": """
        import runpy
        print(runpy.run_path(B + '/m.py')['x'])
    """,
    "run_path dir": """
        import runpy
        print(runpy.run_path(B + '/app', run_name='__main__')['y'])
    """,
    "spec": """
        import importlib.util as u
        s = u.spec_from_file_location('mm', B + '/m.py')
        m = u.module_from_spec(s)
        s.loader.exec_module(m)
        print(m.x, m.__file__ == B + '/m.py')
    """,
    "spec pkg": """
        import importlib.util as u, sys
        file = B + '/pkg/__init__.py'
        s = u.spec_from_file_location('pk', file, submodule_search_locations=[B + '/pkg'])
        m = u.module_from_spec(s)
        sys.modules['pk'] = m
        s.loader.exec_module(m)
        import pk.sub
        print(pk.sub.z)
    """,
    "spec missing": """
        import importlib.util as u
        s = u.spec_from_file_location('mm', B + '/nope.py')
        m = u.module_from_spec(s)
        s.loader.exec_module(m)
    """,
    "find_spec": """
        import importlib.util as u, sys
        sys.path.insert(0, B)
        print(u.find_spec('m').origin.replace(B, ''), u.find_spec('zzz'), u.find_spec('json').name)
    """,
    "namespace package": """
        import sys
        sys.path.insert(0, B)
        import ns.inner
        print(ns.inner.q)
    """,
    "zipimport": """
        import zipfile, sys
        z = zipfile.ZipFile(B + '/z.zip', 'w')
        z.writestr('zm.py', 'v=5')
        z.close()
        sys.path.insert(0, B + '/z.zip')
        import zm
        print(zm.v)
    """,
    "fdopen": """
        h = os.open(B + '/w', os.O_CREAT | os.O_WRONLY)
        f = os.fdopen(h, 'w')
        f.write('x')
        f.close()
        print(open(B + '/w').read())
    """,
    "fdopen drop": """
        os.fdopen(os.open(B + '/w', os.O_CREAT | os.O_WRONLY), 'w').write('x')
        print(open(B + '/w').read())
    """,
    "rename dir": """
        os.rename(B + '/a.txt', B + '/pkg')
    """,
    "getrefcount arg": """
        def use(f):
            os.stat(B)
            f.write('1')
        use(open(B + '/u', 'w'))
        print(open(B + '/u').read())
    """,
    "attr held": """
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
    "expr held": """
        open(B + '/u', 'w').writelines((l for l in open(B + '/a.txt')))
        print(open(B + '/u').read())
    """,
}
# Whatever is done with a path that leads nowhere, the error is that of Linux.
ERRORS = """
import os, pathlib, shutil
os.chdir(B)
for base in (B + "/", "", "./"):
    for end in ("no", "no/x", "a.txt/x", "pkg", "app/../no/x"):
        path = base + end
        one = pathlib.Path(path)
        for name, attempt in {
            "open": lambda: open(path),
            "open to write": lambda: open(path, "w"),
            "open anew": lambda: open(path, "x"),
            "os.open": lambda: os.open(path, os.O_WRONLY | os.O_CREAT),
            "os.stat": lambda: os.stat(path),
            "os.lstat": lambda: os.lstat(path),
            "os.listdir": lambda: os.listdir(path),
            "os.scandir": lambda: os.scandir(path),
            "os.mkdir": lambda: os.mkdir(path),
            "os.remove": lambda: os.remove(path),
            "os.rmdir": lambda: os.rmdir(path),
            "os.chmod": lambda: os.chmod(path, 0o755),
            "os.readlink": lambda: os.readlink(path),
            "os.chdir": lambda: os.chdir(path),
            "os.truncate": lambda: os.truncate(path, 0),
            "getsize": lambda: os.path.getsize(path),
            "getmtime": lambda: os.path.getmtime(path),
            "rename": lambda: os.rename(path, B + "/no/way"),
            "replace": lambda: os.replace(path, B + "/no/way"),
            "rename to": lambda: os.rename("a.txt", path),
            "link": lambda: os.link(path, B + "/no/way"),
            "symlink": lambda: os.symlink("target", path),
            "read": lambda: one.read_text(),
            "write": lambda: one.write_text("x"),
            "Path.mkdir": lambda: one.mkdir(),
            "Path.rename": lambda: one.rename(B + "/no/way"),
            "Path.iterdir": lambda: list(one.iterdir()),
            "copy": lambda: shutil.copy(path, B + "/no/way"),
            "move": lambda: shutil.move(path, B + "/no/way"),
            "rmtree": lambda: shutil.rmtree(path) if end != "pkg" else None,
        }.items():
            os.chdir(B)
            try:
                attempt()
            except OSError as error:
                print(name, path, type(error).__name__, error.errno, error)
            for left in ("no", "no/x"):
                if os.path.isdir(left):
                    os.rmdir(left)
                elif os.path.lexists(left):
                    os.unlink(left)
"""


def compare(tmp_path: Path, script: str) -> None:
    """Run the script in both, and compare."""
    base, out = tmp_path / "b", tmp_path / "o"
    source = f"import os\nB, O = {str(base)!r}, {str(out)!r}\n" + textwrap.dedent(script)
    tree = Tree().with_directory(str(out)).with_symlink(f"{base}/link", "pkg")
    for name, text in FILES.items():
        (base / name).parent.mkdir(parents=True, exist_ok=True)
        (base / name).write_text(text)
        tree = tree.with_file(f"{base}/{name}", text.encode())
    out.mkdir()
    (base / "link").symlink_to("pkg")
    file = tmp_path / "script.py"
    file.write_text(source)
    real = subprocess.run([sys.executable, "-B", file], capture_output=True, text=True, check=False)
    fake = FakeRunner().run(case_of(source, tree))
    assert fake.after is not None
    left = {path.split("/")[len(out.parts)] for path, _ in fake.after if path.startswith(f"{out}/")}
    assert (fake.exit_code, fake.stdout.splitlines(), fake.stderr.splitlines()[-1:], left) == (
        real.returncode,
        real.stdout.splitlines(),
        real.stderr.splitlines()[-1:],
        {path.name for path in out.iterdir()},
    )


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_does_the_same_in_both(tmp_path: Path, name: str) -> None:
    compare(tmp_path, SCRIPTS[name])


def test_errors_name_what_linux_names(tmp_path: Path) -> None:
    compare(tmp_path, ERRORS)


@pytest.mark.parametrize("listing", ["os.scandir(b'/')", "os.walk(b'/')"])
def test_what_cannot_be_done_right_is_refused(listing: str) -> None:
    with pytest.raises(RunnerCannot, match="a path in bytes"):
        FakeRunner().run(case_of(f"import os; {listing}"))
