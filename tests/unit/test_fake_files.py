"""Files of the fake file system that are open twice, have flags, or names that are not ASCII."""

from __future__ import annotations

import pytest

from harness.errors import RunnerCannot
from harness.runners.fake.runner import FakeRunner
from harness.worlds.jobs import PROCESSING
from harness.worlds.tree import Tree
from tests.unit.worlds import OUTPUT, case_of

INPUT = "/opt/ml/processing/input/data"
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
# Each was run on Linux first, where it ends with exit code 0.
OPEN_TWICE = """
    import os
    os.chdir("/tmp")

    def content():
        with open("a", "rb") as file:
            return file.read()

    with open("a", "w+b") as file:
        file.write(b"0123456789")
        file.flush()
        os.truncate("a", 4)
        file.seek(2)
        assert file.read() == b"23"
        file.write(b"x")
    assert content() == b"0123x"
    # What is in the buffer of one is not lost when another writes.
    with open("a", "wb") as one:
        one.write(b"AAAA")
        with open("a", "r+b") as other:
            other.write(b"bbbbbb")
    assert content() == b"AAAAbb"
    with open("a", "r+b", buffering=0) as one, open("a", "r+b", buffering=0) as other:
        one.write(b"1")
        other.seek(5)
        other.write(b"2")
        one.write(b"3")
    assert content() == b"13AAb2"
    with open("a", "w") as one, open("a", "a") as other:
        one.write("é")
        other.write("12345")
        other.flush()
    assert content() == "é345".encode()
    open("a", "w").close()
    with open("a", "r+b") as file:
        os.truncate("a", 3)
        assert (content(), file.seek(0, 2)) == (bytes(3), 3)
        file.seek(1)
        file.truncate(5)
        file.write(b"x")
    assert content() == b"\\0x\\0\\0\\0"
"""
LINES = """
    import os
    os.chdir("/tmp")
    with open("a", "w") as file:
        file.write("1\\n2\\n")

    def lines():
        with open("a") as file:
            yield from file

    # What closes the generator closes the file, and closes it once.
    generator = lines()
    assert next(generator) == "1\\n"
    generator.close()
    with open("a", "a+") as file:
        assert list(file) == []
        file.seek(0)
        assert [line for line in file] == ["1\\n", "2\\n"]
    with open("a") as file:
        next(file)
        with open("a", "a") as other:
            other.write("3\\n")
        assert list(file) == ["2\\n", "3\\n"]
"""
FLAGS = """
    import errno, fcntl, os
    with open("/tmp/a", "w+") as file:
        assert fcntl.fcntl(file, fcntl.F_GETFD) == fcntl.FD_CLOEXEC
        fcntl.fcntl(file, fcntl.F_SETFD, 0)
        assert fcntl.fcntl(file, fcntl.F_GETFD) == 0
        assert fcntl.fcntl(file, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDWR
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            fcntl.ioctl(file, 0x5413, bytes(8))
            raise SystemExit(3)
        except OSError as error:
            assert error.errno == errno.ENOTTY
    number = os.open("/tmp/a", os.O_WRONLY | os.O_APPEND)
    flags = fcntl.fcntl(number, fcntl.F_GETFL)
    assert flags & os.O_ACCMODE == os.O_WRONLY and flags & os.O_APPEND
    fcntl.fcntl(number, fcntl.F_SETFL, flags | os.O_NONBLOCK)
    assert fcntl.fcntl(number, fcntl.F_GETFL) & os.O_NONBLOCK
    os.close(number)
    try:
        fcntl.fcntl(number, fcntl.F_GETFD)
        raise SystemExit(3)
    except OSError as error:
        assert error.errno == errno.EBADF
    assert fcntl.fcntl(2, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY
"""
LINKS = """
    import os, shutil
    os.chdir("/tmp")
    os.mkdir("d")
    open("d/a", "w").close()
    os.symlink("a", "d/s")
    os.link("d/s", "k")
    assert os.path.islink("k") and os.readlink("k") == "a" and os.lstat("k").st_nlink == 2
    shutil.copytree("d", "e", copy_function=os.link, symlinks=True)
    assert os.stat("e/a").st_nlink == 2 and os.path.islink("e/s")
    os.symlink(os.fsdecode(b"\\xff"), "n")
    assert os.readlink(b"n") == b"\\xff" and os.readlink("n") == os.fsdecode(b"\\xff")
"""
NAMES = f"""
    import glob, os, shutil, sys, tarfile
    from pathlib import Path
    given, result = Path({INPUT!r}), Path({OUTPUT!r})
    (name,) = (one for one in os.listdir(given) if one.endswith(".txt"))
    assert ascii(name) == "'donn\\\\udcc3\\\\udca9es.txt'", ascii(name)
    assert os.path.exists(given / name) and os.fsencode(name) in os.listdir(os.fsencode(given))
    assert [Path(one).name for one in glob.glob(f"{{given}}/*.txt")] == [name]
    assert (given / "link").read_bytes() == b"x" and os.readlink(given / "link") == name
    with tarfile.open("/tmp/t", "w") as archive:
        archive.add(given / name, name)
    assert tarfile.open("/tmp/t").getnames() == [name]
    shutil.copy(given / name, result)
    (result / "l").symlink_to(name)
    Path(os.fsdecode(os.fsencode(result) + b"/\\xff")).touch()
    try:
        open(given / "donn\\u00e9es.txt")
    except UnicodeEncodeError:
        assert not (given / "donn\\u00e9es.txt").exists()
    else:
        raise SystemExit(3)
"""


@pytest.mark.parametrize(
    "script",
    [OPEN_TWICE, LINES, FLAGS, LINKS],
    ids=["open-twice", "lines", "flags", "links"],
)
def test_it_is_as_on_linux(script: str) -> None:
    outcome = FakeRunner().run(case_of(script))
    assert outcome.exit_code == 0, outcome.stderr


def test_a_python_that_takes_names_for_ascii_finds_its_files() -> None:
    tree = Tree.for_job(PROCESSING, (OUTPUT,)).with_file(f"{INPUT}/données.txt", b"x")
    tree = tree.with_symlink(f"{INPUT}/link", "données.txt")
    outcome = FakeRunner().run(case_of(NAMES, tree, variables=ASCII))
    assert outcome.exit_code == 0, outcome.stderr
    assert outcome.after is not None
    written = {path: one.kind for path, one in outcome.after if path.startswith(f"{OUTPUT}/")}
    expected = {"données.txt": "file", "l": "symlink", "\udcff": "file"}
    assert written == {f"{OUTPUT}/{name}": kind for name, kind in expected.items()}
    link = outcome.after.get(f"{INPUT}/link")
    assert link is not None
    assert link.target == "données.txt"


@pytest.mark.parametrize("call", ["fcntl.F_DUPFD, 9", "fcntl.F_DUPFD_CLOEXEC, 9", "1031, 4096"])
def test_what_a_fake_file_cannot_do_is_refused(call: str) -> None:
    script = f"import fcntl; fcntl.fcntl(open('/tmp/a', 'w'), {call})"
    with pytest.raises(RunnerCannot, match=r"a file descriptor|only a real"):
        FakeRunner().run(case_of(script))
