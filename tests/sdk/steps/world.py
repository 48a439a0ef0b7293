"""Tells all that a script sees of its job, as JSON in its output folder."""

import hashlib
import json
import os
import resource
import sys

# The first of them that there is.
OUTPUTS = ("/opt/ml/processing/output/copy", "/opt/ml/model")


def entries(top):
    for folder, folders, files in os.walk(top):
        for name in sorted(folders) + sorted(files):
            yield os.path.join(folder, name)


def described(path):
    status = os.lstat(path)
    kind = "folder" if os.path.isdir(path) else "file"
    owner = f"{status.st_uid}:{status.st_gid}"
    return {"kind": kind, "mode": oct(status.st_mode & 0o7777), "owner": owner}


def read(path):
    with open(path, "rb") as stream:
        data = stream.read()
    if path.endswith(".json"):
        return json.loads(data)
    return hashlib.sha256(data).hexdigest()


mask = os.umask(0o022)
tree = {path: described(path) for path in entries("/opt/ml")}
with open("/proc/self/mountinfo") as stream:
    mounts = {line.split()[4] for line in stream}
world = {
    "argv": sys.argv,
    "cwd": os.getcwd(),
    "first process": os.getpid() == 1,
    "user": [os.getuid(), os.getgid(), os.getgroups()],
    "umask": oct(mask),
    "limits": {
        name: resource.getrlimit(getattr(resource, name))
        for name in dir(resource)
        if name.startswith("RLIMIT_")
    },
    "environment": dict(os.environ),
    "tree": tree,
    "content": {path: read(path) for path, one in tree.items() if one["kind"] == "file"},
    "mounts": sorted(path for path in mounts if path.startswith("/opt/ml")),
}
output = next(one for one in OUTPUTS if os.path.isdir(one))
with open(os.path.join(output, "world.json"), "w") as stream:
    json.dump(world, stream)
