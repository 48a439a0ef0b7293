"""Small scripts that must print the same in every runner, one for each setting of a case."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from harness.cases.case import Case, Mount
from harness.worlds.jobs import PROCESSING
from harness.worlds.tree import Entry, Tree
from tests.unit.worlds import OUTPUT, case_of

INPUT = "/opt/ml/processing/input/data"
USER = 1234
READ_ONLY_ROOT = {"read_only": ("/",), "writable": (OUTPUT, "/tmp", "/var/tmp", "/dev/shm")}

# `attempt("name", function, arguments...)` calls a function and prints how it ended.
_HELPERS = """
import errno, os, socket, sys
def attempt(name, function, *arguments, **names):
    try:
        function(*arguments, **names)
    except OSError as error:
        print(name, type(error).__name__, errno.errorcode.get(error.errno, error.errno))
    else:
        print(name, "done")
def write(path, mode="w"):
    with open(path, mode) as stream:
        stream.write("x" if "b" not in mode else b"x")
"""


@dataclass(frozen=True)
class Sample:
    """A script, the lines that it must print, and the changes of its case and tree."""

    name: str
    source: str
    prints: tuple[str, ...]
    changes: Mapping[str, object] = field(default_factory=dict)
    change_tree: Callable[[Tree], Tree] = lambda tree: tree

    @property
    def case(self) -> Case:
        """The case to run."""
        tree = self.change_tree(Tree.for_job(PROCESSING, (OUTPUT,)))
        case = case_of(_HELPERS + textwrap.dedent(self.source), tree)
        return replace(case, id=self.name, **self.changes)  # type: ignore[arg-type]


def _users_output(tree: Tree) -> Tree:
    """Give the output folder to the user, and add files that only root may read."""
    mine = Entry("directory", mode=0o755, uid=USER, gid=USER)
    tree = tree.with_entry(OUTPUT, mine).with_file("/opt/ml/secret", b"s", mode=0o600)
    tree = tree.with_directory("/opt/ml/closed", mode=0o700).with_file("/opt/ml/closed/x", b"x")
    return tree.with_file(f"{INPUT}/x", b"x")


def _modules(tree: Tree) -> Tree:
    """Add a module beside the script, a package, and a module that raises."""
    return tree.with_code(
        {
            "helper.py": b"import os\nTHERE = os.path.exists('/opt/ml/code/helper.py')\n",
            "package/__init__.py": b"",
            "package/inside.py": b"VALUE = 1\nfrom .text import OWN\n",
            "package/text.py": b"from pathlib import Path\n"
            b"OWN = Path(__file__).with_name('inside.py').read_text().split('\\n')[0][6:]\n",
            "broken.py": b"1 / 0\n",
        }
    )


def _input(tree: Tree) -> Tree:
    return tree.with_file(f"{INPUT}/x", b"x").with_directory(f"{INPUT}/empty")


_WRITE_ATTEMPTS = f"""
for folder in ("{INPUT}",):
    attempt("create", write, folder + "/new")
    attempt("open", open, folder + "/x", "r+")
    attempt("overwrite", write, folder + "/x")
    attempt("append", write, folder + "/x", "ab")
    attempt("os.open", os.open, folder + "/new", os.O_CREAT | os.O_WRONLY)
    attempt("os.open to read", os.open, folder + "/x", os.O_RDONLY)
    attempt("read", open, folder + "/x", "rb")
    attempt("chmod", os.chmod, folder + "/x", 0o600)
    attempt("chmod of the folder", os.chmod, folder, 0o700)
    attempt("chown", os.chown, folder + "/x", 5, 5)
    attempt("utime", os.utime, folder + "/x")
    attempt("utime to a date", os.utime, folder + "/x", (5, 5))
    attempt("rename", os.rename, folder + "/x", folder + "/y")
    attempt("replace", os.replace, folder + "/x", folder + "/y")
    attempt("unlink", os.unlink, folder + "/x")
    attempt("rmdir", os.rmdir, folder + "/empty")
    attempt("mkdir", os.mkdir, folder + "/new")
    attempt("mkdir of what is there", os.mkdir, folder + "/empty")
    attempt("makedirs", os.makedirs, folder + "/new/deep")
    attempt("link", os.link, folder + "/x", folder + "/y")
    attempt("symlink", os.symlink, "x", folder + "/y")
    attempt("truncate", os.truncate, folder + "/x", 0)
    attempt("mkfifo", os.mkfifo, folder + "/new")
    attempt("nothing there", open, folder + "/none")
    attempt("open what is not there", os.open, folder + "/none", os.O_WRONLY)
    print(os.access(folder, os.W_OK), os.access(folder + "/x", os.R_OK), os.listdir(folder) != [])
import pathlib, shutil
x = pathlib.Path("{INPUT}/x")
attempt("Path.chmod", x.chmod, 0o600)
attempt("Path.touch", x.touch)
attempt("Path.write_text", x.write_text, "y")
attempt("Path.unlink", x.unlink)
attempt("Path.rename", x.rename, x.with_name("y"))
attempt("rmtree", shutil.rmtree, x.parent)
attempt("copy", shutil.copy, x, x.with_name("y"))
attempt("write elsewhere", write, "{OUTPUT}/new")
attempt("write in /tmp", write, "/tmp/new")
"""
_READ_ONLY_OUTPUT = (
    "create OSError EROFS",
    "open OSError EROFS",
    "overwrite OSError EROFS",
    "append OSError EROFS",
    "os.open OSError EROFS",
    "os.open to read done",
    "read done",
    "chmod OSError EROFS",
    "chmod of the folder OSError EROFS",
    "chown OSError EROFS",
    "utime OSError EROFS",
    "utime to a date OSError EROFS",
    "rename OSError EROFS",
    "replace OSError EROFS",
    "unlink OSError EROFS",
    "rmdir OSError EROFS",
    "mkdir OSError EROFS",
    "mkdir of what is there FileExistsError EEXIST",
    "makedirs OSError EROFS",
    "link OSError EROFS",
    "symlink OSError EROFS",
    "truncate OSError EROFS",
    "mkfifo OSError EROFS",
    "nothing there FileNotFoundError ENOENT",
    "open what is not there FileNotFoundError ENOENT",
    "False True True",
    "Path.chmod OSError EROFS",
    "Path.touch OSError EROFS",
    "Path.write_text OSError EROFS",
    "Path.unlink OSError EROFS",
    "Path.rename OSError EROFS",
    "rmtree OSError EROFS",
    "copy OSError EROFS",
    "write elsewhere done",
    "write in /tmp done",
)

_ENCODINGS = """
import locale, sys
print(sys.stdout.encoding.lower(), sys.stdout.errors, sys.getfilesystemencoding().lower())
print(sys.stderr.encoding.lower(), sys.stderr.errors)
with open("/tmp/x", "w") as stream:
    print(stream.encoding.lower().replace("ansi_x3.4-1968", "ascii"))
print(locale.getpreferredencoding(False).lower().replace("ansi_x3.4-1968", "ascii"))
def caught(function, *arguments):
    try:
        function(*arguments)
    except UnicodeError as error:
        print(type(error).__name__)
    else:
        print("done")
from pathlib import Path
caught(Path("/tmp/x").write_text, "\\u00e9")
Path("/tmp/x").write_bytes("\\u00e9".encode())
caught(Path("/tmp/x").read_text)
caught(open("/tmp/x").read)
caught(sys.stdout.write, "\\u00e9\\n")
accented = "/tmp/\\u00e9"
caught(write, accented)
caught(os.mkdir, accented + "1")
caught(Path(accented + "2").write_text, "x")
caught(os.rename, "/tmp/x", accented + "3")
print(os.path.exists(accented), Path(accented).exists(), os.path.isdir(accented + "1"))
"""
_PLAIN_C = {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
_ASCII = (
    "ascii surrogateescape ascii",
    "ascii backslashreplace",
    "ascii",
    "ascii",
    *["UnicodeEncodeError", "UnicodeDecodeError", "UnicodeDecodeError", "UnicodeEncodeError"],
    *["UnicodeEncodeError"] * 4,
    "False False False",
)
_UTF8 = (
    "utf-8 surrogateescape utf-8",
    "utf-8 backslashreplace",
    *["utf-8", "utf-8", "done", "done", "done", "é", "done"],
    *["done"] * 4,
    "True True True",
)

SAMPLES = (
    Sample(
        "a user of its own",
        f"""
        print(os.getuid(), os.geteuid(), os.getgid(), os.getegid(), os.getgroups())
        print(os.getresuid(), os.getresgid())
        print(os.path.expanduser("~"), os.environ["HOME"])
        attempt("write my output", write, "{OUTPUT}/x")
        print(os.stat("{OUTPUT}/x").st_uid, os.stat("{OUTPUT}/x").st_gid)
        attempt("chmod mine", os.chmod, "{OUTPUT}/x", 0o600)
        attempt("write in /tmp", write, "/tmp/x")
        attempt("remove mine", os.remove, "/tmp/x")
        attempt("read", open, "{INPUT}/x")
        attempt("os.open to read", os.open, "{INPUT}/x", os.O_RDONLY)
        """,
        (
            f"{USER} {USER} {USER} {USER} []",
            f"({USER}, {USER}, {USER}) ({USER}, {USER}, {USER})",
            "/root /root",
            "write my output done",
            f"{USER} {USER}",
            "chmod mine done",
            "write in /tmp done",
            "remove mine done",
            "read done",
            "os.open to read done",
        ),
        {"user": USER},
        _users_output,
    ),
    Sample(
        "a user may not do what root may",
        f"""
        attempt("write another's file", write, "{INPUT}/x")
        attempt("os.open it", os.open, "{INPUT}/x", os.O_WRONLY)
        attempt("write in another's folder", write, "{INPUT}/y")
        attempt("mkdir there", os.mkdir, "{INPUT}/y")
        attempt("remove there", os.remove, "{INPUT}/x")
        attempt("rename there", os.rename, "{INPUT}/x", "{INPUT}/y")
        attempt("read a secret", open, "/opt/ml/secret")
        attempt("read in a closed folder", open, "/opt/ml/closed/x")
        attempt("list it", os.listdir, "/opt/ml/closed")
        attempt("list root's home", os.listdir, "/root")
        attempt("chmod", os.chmod, "{INPUT}/x", 0o666)
        attempt("chown", os.chown, "{OUTPUT}", 0, 0)
        attempt("utime", os.utime, "{INPUT}/x", (5, 5))
        print(os.access("{INPUT}", os.W_OK), os.access("{OUTPUT}", os.W_OK))
        print(os.access("/opt/ml/secret", os.R_OK), os.access("{INPUT}/x", os.R_OK))
        """,
        (
            "write another's file PermissionError EACCES",
            "os.open it PermissionError EACCES",
            "write in another's folder PermissionError EACCES",
            "mkdir there PermissionError EACCES",
            "remove there PermissionError EACCES",
            "rename there PermissionError EACCES",
            "read a secret PermissionError EACCES",
            "read in a closed folder PermissionError EACCES",
            "list it PermissionError EACCES",
            "list root's home PermissionError EACCES",
            "chmod PermissionError EPERM",
            "chown PermissionError EPERM",
            "utime PermissionError EPERM",
            "False True",
            "False True",
        ),
        {"user": USER},
        _users_output,
    ),
    Sample(
        "a umask",
        f"""
        import pathlib, tempfile
        write("{OUTPUT}/a")
        os.mkdir("{OUTPUT}/b")
        os.close(os.open("{OUTPUT}/c", os.O_CREAT | os.O_WRONLY, 0o666))
        pathlib.Path("{OUTPUT}/d").touch()
        os.makedirs("{OUTPUT}/e/f")
        os.mkfifo("{OUTPUT}/g")
        for name in ("a", "b", "c", "d", "e", "e/f", "g"):
            print(name, oct(os.stat("{OUTPUT}/" + name).st_mode & 0o777))
        print(oct(os.umask(0o077)), oct(os.umask(0o077)))
        write("{OUTPUT}/h")
        print(oct(os.stat("{OUTPUT}/h").st_mode & 0o777))
        """,
        (
            *["a 0o664", "b 0o775", "c 0o664", "d 0o664", "e 0o775", "e/f 0o775", "g 0o664"],
            *["0o2 0o77", "0o600"],
        ),
        {"umask": 0o002},
    ),
    Sample(
        "a read-only folder", _WRITE_ATTEMPTS, _READ_ONLY_OUTPUT, {"read_only": (INPUT,)}, _input
    ),
    Sample(
        "a read-only folder and a user that owns it",
        _WRITE_ATTEMPTS,
        _READ_ONLY_OUTPUT,
        {"read_only": (INPUT,), "user": USER},
        lambda tree: Tree(
            {
                path: replace(entry, uid=USER, gid=USER)
                if path.startswith(INPUT) or path == OUTPUT
                else entry
                for path, entry in _input(tree).entries.items()
            },
            tree.job,
        ),
    ),
    Sample("a read-only root", _WRITE_ATTEMPTS, _READ_ONLY_OUTPUT, READ_ONLY_ROOT, _input),
    Sample(
        "a read-only root, everywhere",
        f"""
        for path in ("/x", "/opt/ml/x", "/opt/ml/code/x", "/root/x", "/home/x", "/var/x"):
            attempt(path, write, path)
        for path in ("{OUTPUT}", "/tmp", "/var/tmp"):
            attempt(path, write, path + "/x")
            attempt(path, os.remove, path + "/x")
        attempt("make the folder of an output", os.makedirs, "/opt/ml/processing/output/other")
        write("/tmp/x")
        attempt("rename into an output", os.rename, "/tmp/x", "{OUTPUT}/x")
        attempt("link into an output", os.link, "/tmp/x", "{OUTPUT}/x")
        import shutil, tempfile
        attempt("move into an output", shutil.move, "/tmp/x", "{OUTPUT}/x")
        with tempfile.TemporaryDirectory() as folder:
            attempt("temporary folder", write, folder + "/x")
        """,
        (
            "/x OSError EROFS",
            "/opt/ml/x OSError EROFS",
            "/opt/ml/code/x OSError EROFS",
            "/root/x OSError EROFS",
            "/home/x OSError EROFS",
            "/var/x OSError EROFS",
            *[f"{OUTPUT} done"] * 2,
            *["/tmp done"] * 2,
            *["/var/tmp done"] * 2,
            "make the folder of an output OSError EROFS",
            "rename into an output OSError EXDEV",
            "link into an output OSError EXDEV",
            "move into an output done",
            "temporary folder done",
        ),
        READ_ONLY_ROOT,
    ),
    Sample(
        "a read-only output folder that is a mount",
        f"attempt('create', write, '{OUTPUT}/x')\nprint(os.listdir('{OUTPUT}'))",
        ("create OSError EROFS", "[]"),
        {"read_only": (OUTPUT,), "mounts": (Mount(OUTPUT),)},
    ),
    Sample(
        "a full output folder",
        f"""
        def save(path, data):
            with open(path, "wb") as stream:
                stream.write(data)
        attempt("make a file", save, "{OUTPUT}/new", b"")
        attempt("make a folder", os.mkdir, "{OUTPUT}/folder")
        attempt("write a byte", save, "{OUTPUT}/byte", b"x")
        attempt("write much", save, "{OUTPUT}/much", bytes(10_000_000))
        fd = os.open("{OUTPUT}/low", os.O_CREAT | os.O_WRONLY)
        attempt("os.write", os.write, fd, b"x")
        attempt("write elsewhere", save, "/tmp/x", b"x")
        import shutil
        print(shutil.disk_usage("{OUTPUT}").free)
        print(sorted((name, os.path.getsize("{OUTPUT}/" + name)) for name in ("byte", "older")))
        """,
        (
            "make a file done",
            "make a folder done",
            "write a byte OSError ENOSPC",
            "write much OSError ENOSPC",
            "os.write OSError ENOSPC",
            "write elsewhere done",
            "0",
            "[('byte', 0), ('older', 5000)]",
        ),
        {"mounts": (Mount(OUTPUT, 0),)},
        lambda tree: tree.with_file(f"{OUTPUT}/older", bytes(5000)),
    ),
    Sample(
        "no network",
        """
        def tcp(address, kind=socket.SOCK_STREAM, family=socket.AF_INET):
            with socket.socket(family, kind) as one:
                one.connect(address)
        import urllib.request
        attempt("connect", tcp, ("93.184.216.34", 80))
        attempt("udp", tcp, ("93.184.216.34", 80), socket.SOCK_DGRAM)
        attempt("this machine", tcp, ("127.0.0.1", 9))
        attempt("a name", tcp, ("example.com", 80))
        attempt("a socket", tcp, "/var/run/docker.sock", socket.SOCK_STREAM, socket.AF_UNIX)
        with socket.socket() as one:
            print(one.connect_ex(("93.184.216.34", 80)), one.connect_ex(("127.0.0.1", 9)))
        attempt("IPv6", tcp, ("2001:db8::1", 80), socket.SOCK_STREAM, socket.AF_INET6)
        attempt("create_connection", socket.create_connection, ("example.com", 80), 5)
        attempt("getaddrinfo", socket.getaddrinfo, "example.com", 80)
        attempt("getaddrinfo of a number", socket.getaddrinfo, "93.184.216.34", 80)
        attempt("getaddrinfo of this machine", socket.getaddrinfo, "localhost", 80)
        attempt("gethostbyname", socket.gethostbyname, "example.com")
        attempt("gethostbyaddr", socket.gethostbyaddr, "93.184.216.34")
        attempt("getnameinfo", socket.getnameinfo, ("93.184.216.34", 80), 0)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            attempt("sendto", one.sendto, b"x", ("93.184.216.34", 80))
        attempt("urlopen", urllib.request.urlopen, "http://example.com", timeout=5)
        try:
            urllib.request.urlopen("http://example.com", timeout=5)
        except OSError as error:
            print(error)
        """,
        (
            "connect OSError ENETUNREACH",
            "udp OSError ENETUNREACH",
            "this machine ConnectionRefusedError ECONNREFUSED",
            "a name gaierror -3",
            "a socket FileNotFoundError ENOENT",
            "101 111",
            "IPv6 OSError EADDRNOTAVAIL",
            "create_connection gaierror -3",
            "getaddrinfo gaierror -3",
            "getaddrinfo of a number done",
            "getaddrinfo of this machine done",
            "gethostbyname gaierror -3",
            "gethostbyaddr herror ENOENT",
            "getnameinfo gaierror -3",
            "sendto OSError ENETUNREACH",
            "urlopen URLError None",
            "<urlopen error [Errno -3] Temporary failure in name resolution>",
        ),
    ),
    Sample("utf-8 as a rule", _ENCODINGS, _UTF8),
    Sample("the plain C locale", _ENCODINGS, _ASCII, {"variables": _PLAIN_C}),
    Sample("C, which Python makes UTF-8", _ENCODINGS, _UTF8, {"variables": {"LANG": "C"}}),
    Sample(
        "C for everything, which Python makes UTF-8 too",
        _ENCODINGS,
        _UTF8,
        {"variables": {"LANG": "C", "LC_ALL": "C"}},
    ),
    Sample(
        "an unavailable locale",
        _ENCODINGS,
        _UTF8,
        {"variables": {"LANG": "xx_XX.UTF-8"}},
    ),
    Sample(
        "UTF-8 mode in plain C",
        _ENCODINGS,
        _UTF8,
        {"variables": {**_PLAIN_C, "PYTHONUTF8": "1"}},
    ),
    Sample(
        "an encoding for standard output alone",
        "print(sys.stdout.encoding, sys.stdout.errors, open(__file__).encoding.lower())",
        ("iso8859-1 replace utf-8",),
        {"variables": {"PYTHONIOENCODING": "latin-1:replace"}},
    ),
    Sample(
        "another time zone",
        """
        import datetime, time
        print(time.tzname[0], time.timezone, time.localtime(0).tm_hour)
        print(datetime.datetime.fromtimestamp(0).hour)
        """,
        ("XYZ -32400 9", "9"),
        {"variables": {"TZ": "XYZ-9"}},
    ),
    Sample(
        "modules beside the script",
        """
        import helper, package.inside
        from package import inside
        print(helper.THERE, inside.OWN, helper.__file__, package.__path__, helper.__name__)
        try:
            import nowhere
        except ModuleNotFoundError as error:
            print(error)
        try:
            import broken
        except ZeroDivisionError:
            import traceback
            print("1 / 0" in traceback.format_exc())
        """,
        (
            "True = 1 /opt/ml/code/helper.py ['/opt/ml/code/package'] helper",
            "No module named 'nowhere'",
            "True",
        ),
        change_tree=_modules,
    ),
    Sample(
        "the time zone of the change_tree",
        "import time\nprint(time.timezone, time.localtime(0).tm_hour)",
        ("0 0",),
    ),
)
