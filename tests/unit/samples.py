"""Small scripts that must do the same in every runner: what a case can say of its world."""

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

# Tells what a script's attempts come to: `tried("name", function, arguments...)`.
_TRIED = """
import errno, os, socket, sys
def tried(name, function, *arguments, **names):
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
    """A script, what is special about its case, and the lines that it must print."""

    name: str
    source: str
    says: tuple[str, ...]
    changes: Mapping[str, object] = field(default_factory=dict)
    world: Callable[[Tree], Tree] = lambda tree: tree

    @property
    def case(self) -> Case:
        """The case to run."""
        tree = self.world(Tree.for_job(PROCESSING, (OUTPUT,)))
        case = case_of(_TRIED + textwrap.dedent(self.source), tree)
        return replace(case, id=self.name, **self.changes)  # type: ignore[arg-type]


def _users_output(tree: Tree) -> Tree:
    """The output folder is the user's; there is a file that only root may read."""
    mine = Entry("directory", mode=0o755, uid=USER, gid=USER)
    tree = tree.with_entry(OUTPUT, mine).with_file("/opt/ml/secret", b"s", mode=0o600)
    tree = tree.with_directory("/opt/ml/closed", mode=0o700).with_file("/opt/ml/closed/x", b"x")
    return tree.with_file(f"{INPUT}/x", b"x")


def _modules(tree: Tree) -> Tree:
    """A module beside the script, a package, and one that fails."""
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


_WRITES = f"""
for folder in ("{INPUT}",):
    tried("create", write, folder + "/new")
    tried("open", open, folder + "/x", "r+")
    tried("overwrite", write, folder + "/x")
    tried("append", write, folder + "/x", "ab")
    tried("os.open", os.open, folder + "/new", os.O_CREAT | os.O_WRONLY)
    tried("os.open to read", os.open, folder + "/x", os.O_RDONLY)
    tried("read", open, folder + "/x", "rb")
    tried("chmod", os.chmod, folder + "/x", 0o600)
    tried("chmod of the folder", os.chmod, folder, 0o700)
    tried("chown", os.chown, folder + "/x", 5, 5)
    tried("utime", os.utime, folder + "/x")
    tried("utime to a date", os.utime, folder + "/x", (5, 5))
    tried("rename", os.rename, folder + "/x", folder + "/y")
    tried("replace", os.replace, folder + "/x", folder + "/y")
    tried("unlink", os.unlink, folder + "/x")
    tried("rmdir", os.rmdir, folder + "/empty")
    tried("mkdir", os.mkdir, folder + "/new")
    tried("mkdir of what is there", os.mkdir, folder + "/empty")
    tried("makedirs", os.makedirs, folder + "/new/deep")
    tried("link", os.link, folder + "/x", folder + "/y")
    tried("symlink", os.symlink, "x", folder + "/y")
    tried("truncate", os.truncate, folder + "/x", 0)
    tried("mkfifo", os.mkfifo, folder + "/new")
    tried("nothing there", open, folder + "/none")
    tried("open what is not there", os.open, folder + "/none", os.O_WRONLY)
    print(os.access(folder, os.W_OK), os.access(folder + "/x", os.R_OK), os.listdir(folder) != [])
import pathlib, shutil
x = pathlib.Path("{INPUT}/x")
tried("Path.chmod", x.chmod, 0o600)
tried("Path.touch", x.touch)
tried("Path.write_text", x.write_text, "y")
tried("Path.unlink", x.unlink)
tried("Path.rename", x.rename, x.with_name("y"))
tried("rmtree", shutil.rmtree, x.parent)
tried("copy", shutil.copy, x, x.with_name("y"))
tried("write elsewhere", write, "{OUTPUT}/new")
tried("write in /tmp", write, "/tmp/new")
"""
_REFUSED = (
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
        tried("write my output", write, "{OUTPUT}/x")
        print(os.stat("{OUTPUT}/x").st_uid, os.stat("{OUTPUT}/x").st_gid)
        tried("chmod mine", os.chmod, "{OUTPUT}/x", 0o600)
        tried("write in /tmp", write, "/tmp/x")
        tried("remove mine", os.remove, "/tmp/x")
        tried("read", open, "{INPUT}/x")
        tried("os.open to read", os.open, "{INPUT}/x", os.O_RDONLY)
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
        tried("write another's file", write, "{INPUT}/x")
        tried("os.open it", os.open, "{INPUT}/x", os.O_WRONLY)
        tried("write in another's folder", write, "{INPUT}/y")
        tried("mkdir there", os.mkdir, "{INPUT}/y")
        tried("remove there", os.remove, "{INPUT}/x")
        tried("rename there", os.rename, "{INPUT}/x", "{INPUT}/y")
        tried("read a secret", open, "/opt/ml/secret")
        tried("read in a closed folder", open, "/opt/ml/closed/x")
        tried("list it", os.listdir, "/opt/ml/closed")
        tried("list root's home", os.listdir, "/root")
        tried("chmod", os.chmod, "{INPUT}/x", 0o666)
        tried("chown", os.chown, "{OUTPUT}", 0, 0)
        tried("utime", os.utime, "{INPUT}/x", (5, 5))
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
    Sample("a read-only folder", _WRITES, _REFUSED, {"read_only": (INPUT,)}, _input),
    Sample(
        "a read-only folder and a user that owns it",
        _WRITES,
        _REFUSED,
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
    Sample("a read-only root", _WRITES, _REFUSED, READ_ONLY_ROOT, _input),
    Sample(
        "a read-only root, everywhere",
        f"""
        for path in ("/x", "/opt/ml/x", "/opt/ml/code/x", "/root/x", "/home/x", "/var/x"):
            tried(path, write, path)
        for path in ("{OUTPUT}", "/tmp", "/var/tmp"):
            tried(path, write, path + "/x")
            tried(path, os.remove, path + "/x")
        tried("make the folder of an output", os.makedirs, "/opt/ml/processing/output/other")
        write("/tmp/x")
        tried("rename into an output", os.rename, "/tmp/x", "{OUTPUT}/x")
        tried("link into an output", os.link, "/tmp/x", "{OUTPUT}/x")
        import shutil, tempfile
        tried("move into an output", shutil.move, "/tmp/x", "{OUTPUT}/x")
        with tempfile.TemporaryDirectory() as folder:
            tried("temporary folder", write, folder + "/x")
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
        f"tried('create', write, '{OUTPUT}/x')\nprint(os.listdir('{OUTPUT}'))",
        ("create OSError EROFS", "[]"),
        {"read_only": (OUTPUT,), "mounts": (Mount(OUTPUT),)},
    ),
    Sample(
        "a full output folder",
        f"""
        def save(path, data):
            with open(path, "wb") as stream:
                stream.write(data)
        tried("make a file", save, "{OUTPUT}/new", b"")
        tried("make a folder", os.mkdir, "{OUTPUT}/folder")
        tried("write a byte", save, "{OUTPUT}/byte", b"x")
        tried("write much", save, "{OUTPUT}/much", bytes(10_000_000))
        fd = os.open("{OUTPUT}/low", os.O_CREAT | os.O_WRONLY)
        tried("os.write", os.write, fd, b"x")
        tried("write elsewhere", save, "/tmp/x", b"x")
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
        tried("connect", tcp, ("93.184.216.34", 80))
        tried("udp", tcp, ("93.184.216.34", 80), socket.SOCK_DGRAM)
        tried("this machine", tcp, ("127.0.0.1", 9))
        tried("a name", tcp, ("example.com", 80))
        tried("a socket", tcp, "/var/run/docker.sock", socket.SOCK_STREAM, socket.AF_UNIX)
        with socket.socket() as one:
            print(one.connect_ex(("93.184.216.34", 80)), one.connect_ex(("127.0.0.1", 9)))
        tried("IPv6", tcp, ("2001:db8::1", 80), socket.SOCK_STREAM, socket.AF_INET6)
        tried("create_connection", socket.create_connection, ("example.com", 80), 5)
        tried("getaddrinfo", socket.getaddrinfo, "example.com", 80)
        tried("getaddrinfo of a number", socket.getaddrinfo, "93.184.216.34", 80)
        tried("getaddrinfo of this machine", socket.getaddrinfo, "localhost", 80)
        tried("gethostbyname", socket.gethostbyname, "example.com")
        tried("gethostbyaddr", socket.gethostbyaddr, "93.184.216.34")
        tried("getnameinfo", socket.getnameinfo, ("93.184.216.34", 80), 0)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            tried("sendto", one.sendto, b"x", ("93.184.216.34", 80))
        tried("urlopen", urllib.request.urlopen, "http://example.com", timeout=5)
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
        "a locale that is not there",
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
        world=_modules,
    ),
    Sample(
        "the time zone of the world",
        "import time\nprint(time.timezone, time.localtime(0).tm_hour)",
        ("0 0",),
    ),
)
