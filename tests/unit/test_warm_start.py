"""Cases that are forked from a process with the imports loaded do what they do started cold."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
import venv
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.cases.case import Call, Case, Outcome
from harness.runners.inside.imports import Preload
from harness.runners.real import warm
from harness.runners.real.sandbox import SandboxRunner
from harness.runners.real.warm_plan import warmed
from harness.worlds.tree import FIXED_MTIME
from tests.unit.command import HARNESS, harness
from tests.unit.worlds import SCRIPT, case_of

ADDRESS = re.compile(r" at 0x[0-9a-f]+")
# What a script can see of its process, as JSON; what is random or a time is left out.
LOOK = """
import gc, inspect, json, locale, logging, os, resource, signal, sys, tempfile, threading, time
import atexit, decimal, mimetypes, random, warnings

with open("/proc/self/status") as stream:
    status = dict(line.rstrip().split(":", 1) for line in stream)
with open("/proc/self/mountinfo") as stream:
    mounts = sorted(" ".join(line.split()[4:6]) for line in stream)
own = {name: repr(value) for name, value in globals().items() if name.startswith("__")}
own["__loader__"] = [type(__loader__).__name__, __loader__.name, __loader__.path]
streams = (sys.stdin, sys.stdout, sys.stderr)
names = ("Groups", "NoNewPrivs", "SigBlk", "SigCgt", "SigIgn", "Threads", "NSpid", "Uid", "Gid")
names += ("Seccomp", "Seccomp_filters")
seen = {
    "main": own,
    "argv": sys.argv,
    "orig_argv": getattr(sys, "orig_argv", None),
    "path": sys.path,
    "flags": repr(sys.flags),
    "options": [sys.warnoptions, repr(sys._xoptions)],
    "python": [sys.executable, sys.prefix, sys.base_prefix, sys.getrecursionlimit()],
    "warnings": repr(warnings.filters),
    "environment": list(os.environ.items()),
    "folder": os.getcwd(),
    "umask": os.umask(0),
    "locale": [locale.setlocale(locale.LC_ALL), sys.getfilesystemencoding()],
    "zone": [time.tzname, time.timezone],
    "streams": [[one.name, one.mode, one.encoding, one.errors, one.newlines] for one in streams],
    "buffers": [[one.line_buffering, one.write_through, one.seekable()] for one in streams],
    "hooks": [sys.excepthook is sys.__excepthook__, repr(sys.unraisablehook), sys.gettrace()],
    "signals": {number: str(signal.getsignal(number)) for number in signal.valid_signals()},
    "threads": [one.name for one in threading.enumerate()],
    "main thread": threading.current_thread() is threading.main_thread(),
    "gc": [gc.isenabled(), gc.get_threshold(), gc.get_debug(), gc.callbacks],
    "processes": [os.getpid(), os.getppid(), os.getpgrp(), os.getsid(0)],
    "all processes": sorted(name for name in os.listdir("/proc") if name.isdigit()),
    "descriptors": sorted(map(int, os.listdir("/proc/self/fd"))),
    "status": {name: status[name] for name in status if name.startswith("Cap") or name in names},
    "own folder": [os.stat("/proc/self/mem").st_uid, os.stat("/proc/self/fd").st_uid],
    "limits": [resource.getrlimit(number) for number in range(16)],
    "processor": [os.getpriority(os.PRIO_PROCESS, 0), sorted(os.sched_getaffinity(0))],
    "logging": [repr(logging.root), logging.root.handlers, sorted(logging.root.manager.loggerDict)],
    "clock of logging": abs(logging.LogRecord("", 0, "", 0, "", (), None).relativeCreated) < 60000,
    "decimal": repr(decimal.getcontext()),
    "types": mimetypes.inited,
    "temporary": [tempfile.tempdir, tempfile._name_sequence],
    "at exit": atexit._ncallbacks(),
    "modules": sorted(sys.modules),
    "importers": [getattr(one, "__name__", type(one).__name__) for one in sys.meta_path],
    "files": [sorted(os.listdir(folder)) for folder in ("/", "/dev", "/etc", "/tmp", "/run")],
    "mounts": mounts,
    "host": os.uname().nodename,
    "last error": [hasattr(sys, name) for name in ("last_type", "last_value", "ps1")],
}
print(json.dumps(seen))
"""


@contextmanager
def started_warm(runner: SandboxRunner, usual: Case) -> Iterator[SandboxRunner]:
    """The runner that forks the cases of a step whose usual case this is."""
    started, reason = warmed(runner, usual)
    assert reason == ""
    try:
        yield started
    finally:
        started.close()


def run_warm(runner: SandboxRunner, case: Case) -> Outcome:
    """The outcome of a case which is known to have been forked."""
    assert runner.modules is not None
    before = warm.pool(runner, runner.start_warm, runner.modules).forked
    outcome = runner.run(case)
    assert warm.pool(runner, runner.start_warm, runner.modules).forked > before
    return outcome


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment, into which tests write packages."""
    folder = tmp_path_factory.mktemp("environment") / "packages"
    venv.create(folder, symlinks=True)
    return folder


@pytest.fixture
def install(environment: Path) -> Iterator[Callable[..., SandboxRunner]]:
    """Writes modules into the environment; the sandbox with its Python."""
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    folder = environment / "lib" / version / "site-packages"
    written = []

    def write(**modules: str) -> SandboxRunner:
        for name, source in modules.items():
            written.append(folder / f"{name}.py")
            written[-1].write_text(textwrap.dedent(source))
        return SandboxRunner(str(environment / "bin" / "python"))

    yield write
    for path in written:
        path.unlink()


CASES: Mapping[str, dict[str, Any]] = {
    "usual": {"arguments": ("--level", "3")},
    "another umask and folder": {"umask": 0o077, "cwd": "/tmp"},
    "from its own folder": {"relative": True, "cwd": "/opt/ml/code"},
    "from another folder": {"relative": True, "cwd": "/tmp"},
    "another variable": {"variables": {"SM_LEVEL_OF_CASE": "3"}},
    "read-only": {"read_only": ("/opt/ml/code",)},
}


def test_a_script_sees_the_process_that_it_sees_when_it_is_started_cold(
    sandbox: SandboxRunner,
) -> None:
    with started_warm(sandbox, case_of(LOOK)) as runner:
        for name, changes in CASES.items():
            case = case_of(LOOK, **changes)
            cold, forked = sandbox.run(case), run_warm(runner, case)
            assert (cold.stderr, forked.stderr) == ("", ""), name
            assert json.loads(forked.stdout) == json.loads(cold.stdout), name


STARTS: Mapping[str, dict[str, str]] = {
    "time zone": {"TZ": "Asia/Tokyo"},
    "locale": {"LANG": "C"},
    "hash seed": {"PYTHONHASHSEED": "3"},
    "buffering": {"PYTHONUNBUFFERED": "1"},
    "path": {"PYTHONPATH": "/opt/ml/code/lib"},
}


@pytest.mark.parametrize("name", STARTS)
def test_what_counts_at_the_start_of_python_is_the_cases_own(
    sandbox: SandboxRunner, name: str
) -> None:
    source = LOOK + "print(hash('a') if 'PYTHONHASHSEED' in os.environ else '')\n"
    case = case_of(source, variables=STARTS[name])
    with started_warm(sandbox, case_of(source)) as runner:
        cold = sandbox.run(case)
        # Cases of one kind are forked, when there are several, from a process of their own.
        outcomes = [*(runner.run(case) for _ in range(3)), run_warm(runner, case)]
        assert cold.exit_code == 0, cold.stderr
        for outcome in outcomes:
            assert (outcome.stdout, outcome.stderr) == (cold.stdout, cold.stderr)


# What is left to the end of Python: objects that write, a file with a buffer, a generator.
KEPT = """
import subprocess, sys
from pathlib import Path

class Kept:
    def __init__(self, name): self.name = name
    def __del__(self): Path("/tmp", self.name).write_text(self.name)

def lines():
    try: yield
    finally: Path("/tmp/generator").write_text("end")

def main(end):
    local = Kept("local")
    if end: raise end

kept, ring, subprocess.kept = Kept("kept"), Kept("ring"), [Kept("library")]
ring.itself = ring
generator = lines()
next(generator)
opened = open("/tmp/opened", "w")
opened.write("buffered")
main(%s)
"""
ENDS = {
    "nothing": "",
    "kept": KEPT % None,
    "kept, exit": KEPT % "SystemExit(3)",
    "kept, exception": KEPT % "ValueError('no')",
    "kept by a library alone": (
        "import subprocess\nclass A:\n    def __del__(self): print('gone', subprocess)\n"
        "subprocess.kept = A()"
    ),
    "exit code": "import sys; sys.exit(3)",
    "exit text": "import sys; sys.exit('a text')",
    "exit true": "raise SystemExit(True)",
    "exit large": "raise SystemExit(259)",
    "exit object": "raise SystemExit((1, 'b'))",
    "exception": "def f():\n    raise ValueError('no')\n\nf()",
    "chain": "try:\n    1 / 0\nexcept OSError.__mro__[1] as error:\n    raise KeyError from error",
    "interrupted": "raise KeyboardInterrupt",
    "own interrupt": "class Own(KeyboardInterrupt): pass\nraise Own('x')",
    "base": "class Own(BaseException): pass\nraise Own('x')",
    "group": "import sys\nraise OSError(2, 'no', 'name')",
    "_exit": "import os; print('lost?'); os._exit(5)",
    "hook": "import sys\nsys.excepthook = lambda *a: print('hook', *a[:2])\nraise ValueError(1)",
    "bad hook": "import sys\ndef hook(*a): 1 / 0\nsys.excepthook = hook\nraise ValueError(1)",
    "exiting hook": "import sys\nsys.excepthook = lambda *a: sys.exit(9)\nraise ValueError(1)",
    "no hook": "import sys\ndel sys.excepthook\nraise ValueError(1)",
    "at exit": "import atexit, sys\natexit.register(print, 'end')\nsys.exit(2)",
    "file at exit": "import atexit\natexit.register(lambda: print('__file__' in globals()))",
    "bad at exit": "import atexit\natexit.register(lambda: 1 / 0)",
    "thread": (
        "import threading, time\n"
        "threading.Thread(target=lambda: (time.sleep(0.2), print('late'))).start()\nprint('first')"
    ),
    "daemon": (
        "import threading, time\n"
        "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\nprint('first')"
    ),
    "error in a thread": "import threading\nthreading.Thread(target=lambda: 1 / 0).start()",
    "destructor": "class A:\n    def __del__(self): print('gone')\na = A()",
    "destructor of what a module holds": (
        "import json\nclass A:\n    def __del__(self): print('gone')\njson.one = a = A()"
    ),
    "open file": "f = open('/tmp/lines', 'w')\nf.write('x')",
    "open file of a module": "import json\njson.f = open('/tmp/lines', 'w')\njson.f.write('x')",
    "open database": (
        "import sqlite3\none = sqlite3.connect('/tmp/base', isolation_level=None)\n"
        "one.execute('pragma journal_mode=wal')\none.execute('create table t(x)')"
    ),
    "log": (
        "import logging\nlogging.basicConfig(filename='/tmp/log')\nlogging.warning('x')\n"
        "logging.root.handlers[0].stream.write('y')"
    ),
    "closed output": "import sys\nprint('x')\nsys.stdout.close()",
    "closed descriptor": "import os, sys\nos.close(1)\nprint('x')",
    "not flushed": "import sys\nsys.stdout.buffer.write(b'x')\nsys.stderr.write('y')",
    "output order": "import os\nprint('a')\nos.write(1, b'b')\nprint('c')",
    "processes": (
        "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'print(1)'])\nprint('after')"
    ),
    "pool": (
        "import multiprocessing\n"
        "if __name__ == '__main__':\n"
        "    with multiprocessing.Pool(2) as pool:\n"
        "        print(pool.map(abs, [-1, 2]))"
    ),
    "spawned": (
        "import multiprocessing\n"
        "def work(): print('work', __name__, flush=True)\n"
        "if __name__ == '__main__':\n"
        "    one = multiprocessing.get_context('spawn').Process(target=work)\n"
        "    one.start()\n    one.join()\n    print(one.exitcode)"
    ),
    "fork": "import os\nif os.fork(): os.wait()\nprint('x')",
    "import main": "import __main__\nprint(__main__.__file__, __main__ is __import__('__main__'))",
    "warning": "import warnings\nwarnings.warn('w', DeprecationWarning)\nwarnings.warn('u')",
    "own module": "import own\nprint(own.__file__, own.__name__)",
    "signal": "import os, signal\nos.kill(os.getpid(), signal.SIGUSR1)",
    "terminated": "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)",
    "ctrl-c": "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(60)",
}


def facts(outcome: Outcome) -> tuple[object, ...]:
    """What must be the same in two runs: all but addresses in memory, and dates of changes."""
    said = [ADDRESS.sub("", text) for text in (outcome.stdout, outcome.stderr)]
    assert outcome.after is not None
    entries = outcome.after.entries.items()
    dated = {
        path: (entry.mtime == FIXED_MTIME, replace(entry, mtime=0.0)) for path, entry in entries
    }
    return outcome.exit_code, *said, dated


def test_a_script_ends_as_it_does_when_it_is_started_cold(sandbox: SandboxRunner) -> None:
    different = {}
    with started_warm(
        sandbox, case_of("import json, logging, sqlite3, subprocess, threading")
    ) as runner:
        for name, source in ENDS.items():
            case = case_of(source)
            case = case.with_tree(case.tree.with_code({"own.py": b"x = 1\n"}))
            cold, forked = sandbox.run(case), runner.run(case)
            if facts(cold) != facts(forked):
                different[name] = facts(cold), facts(forked)
    assert different == {}


CHANGE = """
import atexit, decimal, gc, locale, logging, mimetypes, os, random, signal, socket, sys, tempfile
import threading, time, warnings

print(sorted(os.environ), os.getcwd(), os.umask(0), sys.path, sys.argv, locale.setlocale(0))
print(logging.root.handlers, decimal.getcontext().prec, mimetypes.inited, tempfile.tempdir)
print(signal.getsignal(signal.SIGTERM), gc.isenabled(), warnings.filters, time.tzname)
print(threading.enumerate()[0].name, os.listdir("/tmp"), os.listdir("/dev/shm"), os.listdir("/"))
print(hasattr(os, "changed"), sorted(os.listdir("/run")), socket.gethostname())
listening = socket.socket()
listening.bind(("127.0.0.1", 8080))
listening.listen()
other = socket.create_connection(("127.0.0.1", 8080))
listening.accept()[0].close()
other.close()
listening.close()
os.changed = True
os.environ["MORE"] = "x"
os.environ["TZ"] = "Asia/Tokyo"
time.tzset()
logging.basicConfig()
decimal.getcontext().prec = 5
mimetypes.init()
tempfile.tempdir = "/tmp"
signal.signal(signal.SIGTERM, signal.SIG_IGN)
gc.disable()
warnings.simplefilter("error")
sys.path.insert(0, "/nowhere")
random.seed(0)
atexit.register(print, "end")
for folder in ("/tmp", "/dev/shm", "/run", "/", "/etc"):
    open(os.path.join(folder, "left"), "w").close()
"""


def test_a_case_leaves_nothing_to_the_next_one(sandbox: SandboxRunner) -> None:
    with started_warm(sandbox, case_of("import random")) as runner:
        cold = sandbox.run(case_of(CHANGE))
        assert (cold.exit_code, cold.stderr) == (0, "")
        for _ in range(2):
            assert run_warm(runner, case_of(CHANGE)).stdout == cold.stdout


def test_random_numbers_are_those_of_each_case(sandbox: SandboxRunner) -> None:
    source = "import random, uuid; print(random.random(), uuid.uuid4())"
    with started_warm(sandbox, case_of("import random, uuid")) as runner:
        said = [run_warm(runner, case_of(source)).stdout for _ in range(3)]
    assert len(set(said)) == 3


TROUBLE = {
    "leaves a thread running": """
        import threading, time
        threading.Thread(target=time.sleep, args=(9999,), daemon=True).start()
        """,
    "leaves /dev/null open": "kept = open('/dev/null')",
    "open when it is imported": "import select\nkept = select.epoll()",
    "prints something": "print('hello')",
    "shares memory": "import mmap\nkept = mmap.mmap(-1, 4096)\n",
    "writes into /tmp": "import tempfile\nkept = tempfile.mkdtemp()",
    "reads /opt/ml/code/settings": "kept = open('/opt/ml/code/settings').read()",
}


@pytest.mark.parametrize("reason", TROUBLE)
def test_a_library_that_does_not_survive_a_fork_is_started_cold_which_is_told(
    install: Callable[..., SandboxRunner], sandbox: SandboxRunner, reason: str
) -> None:
    runner = install(library=TROUBLE[reason])
    case = case_of("import library\nprint('used', library.__name__)")
    case = case.with_tree(case.tree.with_code({"settings": b"1"}))
    runner, told = warmed(runner, case)
    assert reason in told
    assert runner.modules is None
    assert "used library" in runner.run(case).stdout


def test_a_library_that_tidies_up_in_a_temporary_folder_is_loaded_ahead(
    install: Callable[..., SandboxRunner], sandbox: SandboxRunner
) -> None:
    """As locks between processes are made: the folder has another date, and nothing in it."""
    runner = install(library="import os\nopen('/dev/shm/x', 'w').close()\nos.unlink('/dev/shm/x')")
    with started_warm(runner, case_of("import library")) as started:
        assert started.modules is not None


def test_a_usual_case_that_does_something_else_when_it_is_forked_is_told(
    install: Callable[..., SandboxRunner], sandbox: SandboxRunner
) -> None:
    runner = install(library="import os\nprocess = os.getpid()")
    case = case_of("import library, os\nprint('same', library.process == os.getpid())")
    runner, told = warmed(runner, case)
    assert told == "standard output is another when the usual case is forked"
    assert runner.modules is None


READS = {
    "get": "import os\nLEVEL = os.environ.get('LEVEL')",
    "getenv": "import os\nLEVEL = os.getenv('LEVEL')",
    "in": "import os\nLEVEL = os.environ['LEVEL'] if 'LEVEL' in os.environ else None",
    "bytes": "import os\nLEVEL = (os.environb.get(b'LEVEL') or b'').decode() or None",
    "all": "import os\nLEVEL = dict(os.environ).get('LEVEL')",
    "items": "import os\nLEVEL = next((v for k, v in os.environ.items() if k == 'LEVEL'), None)",
}


@pytest.mark.parametrize("how", READS)
def test_a_library_that_reads_a_variable_when_it_is_imported(
    install: Callable[..., SandboxRunner], sandbox: SandboxRunner, how: str
) -> None:
    runner = install(library=READS[how])
    source = "import library\nprint(library.LEVEL)"
    with started_warm(runner, case_of(source)) as started:
        for level in ("1", "2", "1", "1", "2", "1"):
            case = case_of(source, variables={"LEVEL": level})
            assert started.run(case).stdout == f"{level}\n"
        assert run_warm(started, case_of(source)).stdout == "None\n"


def test_variables_that_no_library_reads_do_not_hinder(
    install: Callable[..., SandboxRunner], sandbox: SandboxRunner
) -> None:
    runner = install(library="import os\nHOME = os.environ.get('HOME')")
    source = "import library, os\nprint(os.environ['SM_LEVEL_OF_CASE'], os.getenv('HOME'))"
    usual = case_of(source, variables={"SM_LEVEL_OF_CASE": "0"})
    with started_warm(runner, usual) as started:
        for level in ("1", "2"):
            case = case_of(source, variables={"SM_LEVEL_OF_CASE": level})
            assert run_warm(started, case).stdout == f"{level} /root\n"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_variable_counts_that_a_program_or_a_module_of_the_start_names() -> None:
    loaded = Preload(frozenset(["os"]), ())
    names = ["PYTHONHASHSEED", "PATH", "PYTHONHASHS", "SM_NOBODY_READS_IT", "SM_NOR_THIS"]
    assert loaded.reads(names) == ["PYTHONHASHSEED", "PATH"]
    assert loaded.reads([*reversed(names)]) == ["PATH", "PYTHONHASHSEED"]


def test_a_library_that_sets_variables_when_it_is_imported(
    install: Callable[..., SandboxRunner], sandbox: SandboxRunner
) -> None:
    runner = install(library="import os\nos.environ.setdefault('LIBRARY_MODE', 'fork')")
    source = "import library, os\nprint(os.environ['LIBRARY_MODE'])"
    with started_warm(runner, case_of(source)) as started:
        assert run_warm(started, case_of(source)).stdout == "fork\n"
        other = case_of(source, variables={"LIBRARY_MODE": "spawn"})
        assert started.run(other).stdout == "spawn\n"


def test_modules_of_the_step_go_before_those_that_are_loaded(
    install: Callable[..., SandboxRunner], sandbox: SandboxRunner
) -> None:
    runner = install(library="NAME = 'installed'")
    source = "import library, json\nprint(library.NAME, json.__file__.startswith('/opt/ml'))"
    with started_warm(runner, case_of(source)) as started:
        assert run_warm(started, case_of(source)).stdout == "installed False\n"
        own = case_of(source)
        own = own.with_tree(own.tree.with_code({"library.py": b"NAME = 'own'"}))
        assert started.run(own).stdout == "own False\n"
        own = own.with_tree(own.tree.with_code({"json/__init__.py": b""}))
        assert started.run(own).stdout == "own True\n"


def test_modules_of_the_step_are_never_loaded_ahead(sandbox: SandboxRunner) -> None:
    source = "import own, sys\nprint(own.NAME)"
    case = case_of(source)

    def with_own(name: str) -> Case:
        return case.with_tree(case.tree.with_code({"own.py": f"NAME = {name!r}".encode()}))

    with started_warm(sandbox, with_own("first")) as runner:
        assert runner.modules is not None
        assert "own" not in runner.modules
        assert run_warm(runner, with_own("second")).stdout == "second\n"


def test_a_script_that_breaks_everything_does_not_affect_the_next_case(
    sandbox: SandboxRunner,
) -> None:
    hostile = """
        import gc, os, signal, sys
        for number in range(3, 100):
            try:
                os.write(number, b"R" + bytes(8))
            except OSError:
                pass
        print([one for one in sys.modules if one.startswith("harness")])
        for one in os.listdir("/proc"):
            if one.isdigit() and int(one) not in (1, os.getpid()):
                print("another process", one)
        os.kill(1, signal.SIGKILL)
        for number in (signal.SIGTERM, signal.SIGSTOP, signal.SIGKILL):
            try:
                os.kill(-1, number)
            except ProcessLookupError:
                pass
        print("alive")
        """
    with started_warm(sandbox, case_of("import gc, os, signal")) as runner:
        outcome = run_warm(runner, case_of(hostile))
        assert outcome.stdout == sandbox.run(case_of(hostile)).stdout == "[]\nalive\n"
        assert run_warm(runner, case_of("print('next')")).stdout == "next\n"


def test_the_path_of_a_script_is_that_of_its_traceback(sandbox: SandboxRunner) -> None:
    with started_warm(sandbox, case_of("")) as runner:
        outcome = run_warm(runner, case_of("import no_such_module"))
    assert outcome.stderr.splitlines()[:2] == [
        "Traceback (most recent call last):",
        f'  File "{SCRIPT}", line 1, in <module>',
    ]


def test_the_verdicts_are_those_of_a_cold_start(sandbox: SandboxRunner, tmp_path: Path) -> None:
    copier = Path(__file__).parent / "steps" / "copier"
    broken = tmp_path / "broken.py"
    source = (copier / "copier.py").read_text()
    broken.write_text(
        source.replace("sys.exit(1)", "sys.exit(2)").replace("(text)", "(text + b'!')")
    )
    options = (str(copier), "--runner", "sandbox", "-k", "text= or accents")
    right = harness("check", *options, "--start", "warm")
    assert right.returncode == 0, right.stdout + right.stderr
    said = {}
    for start in ("warm", "cold"):
        done = harness("check", *options, "--script", str(broken), "--start", start)
        assert done.returncode == 1, done.stdout + done.stderr
        assert f"--start {start}" in done.stdout
        said[start] = [line for line in done.stdout.splitlines() if line[:2] in ("1.", "2.", "3.")]
    assert said["warm"] == said["cold"] != []


def test_a_cold_start_of_every_case_is_told_with_its_reason(
    install: Callable[..., SandboxRunner], sandbox: SandboxRunner, tmp_path: Path
) -> None:
    python = install(library=TROUBLE["leaves a thread running"]).python
    copier = Path(__file__).parent / "steps" / "copier"
    script = tmp_path / "copier.py"
    script.write_text("import library\n" + (copier / "copier.py").read_text())
    command = ("check", str(copier), "--script", str(script), "--runner", "sandbox")
    environment = {**os.environ, "HARNESS_PYTHON": python}
    done = subprocess.run(
        [HARNESS, *command, "-k", "accents", "--start", "warm"],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (
        "copier: every case starts an interpreter of its own: "
        "library leaves a thread running when it is imported" in done.stdout
    )
    cold = subprocess.run(
        [HARNESS, *command, "-k", "accents"], capture_output=True, text=True, env=environment
    )
    assert (cold.returncode, "an interpreter of its own" in cold.stdout) == (0, False)


def test_a_script_cannot_reach_the_process_that_it_was_forked_from(
    roots_sandbox: SandboxRunner,
) -> None:
    hostile = """
        import ctypes, os, signal, time
        for number in signal.valid_signals():
            os.kill(1, number)
        for name in ("mem", "fd/3", "root/etc/passwd", "environ", "maps"):
            try:
                open(f"/proc/1/{name}", "r+b")
                print("reached", name)
            except PermissionError:
                pass
        print(ctypes.CDLL(None).ptrace(16, 1, 0, 0))
        for _ in range(3):
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0:
                    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
                        signal.signal(number, signal.SIG_IGN)
                    time.sleep(3600)
                os._exit(0)
        """
    look = "import os; print(os.getpid(), [one for one in os.listdir('/proc') if one.isdigit()])"
    with started_warm(roots_sandbox, case_of(look)) as runner:
        for _ in range(2):
            outcome = run_warm(runner, case_of(hostile))
            assert (outcome.exit_code, outcome.stdout, outcome.stderr) == (0, "-1\n", "")
            assert run_warm(runner, case_of(look)).stdout == "2 ['1', '2']\n"


def test_a_function_call_returns_its_result(sandbox: SandboxRunner) -> None:
    source = "import json\ndef double(number):\n    print('here')\n    return 2 * number\n"
    with started_warm(sandbox, case_of(source)) as runner:
        for arguments in ({"number": 21}, {"number": "a"}, {"number": None}, {}):
            case = case_of(source, call=Call("double", arguments))
            cold, forked = sandbox.run(case), run_warm(runner, case)
            assert cold.returned is not None
            assert (forked.returned, facts(forked)) == (cold.returned, facts(cold))


def test_a_script_has_no_answer_but_that_of_the_call(sandbox: SandboxRunner) -> None:
    source = """
        import os
        def double(number):
            for descriptor in range(3, 64):
                try:
                    os.write(descriptor, b'{"returned": 0}')
                except OSError:
                    pass
            return 2 * number
        """
    with started_warm(sandbox, case_of(source)) as runner:
        case = case_of(source, call=Call("double", {"number": 21}))
        cold, forked = sandbox.run(case), run_warm(runner, case)
        assert cold.returned is forked.returned is None


def test_more_than_a_program_can_be_started_with_is_refused(sandbox: SandboxRunner) -> None:
    source = "import json, sys; print(len(sys.argv))"
    with started_warm(sandbox, case_of(source)) as runner:
        for size in (10, 1 << 18):
            case = case_of(source, arguments=("x" * size,))
            cold, outcome = sandbox.run(case), runner.run(case)
            assert facts(outcome) == facts(cold)
            assert (outcome.exit_code == 0) == (size == 10)
