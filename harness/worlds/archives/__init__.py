"""Builds and compares model archives.

`model_archive` builds one from members, `LAYOUTS` are valid archives of every kind, `HOSTILE` are
those that a step must refuse, `differences` compares an archive with the members it must hold.
"""

from harness.worlds.archives.build import model_archive
from harness.worlds.archives.compare import differences
from harness.worlds.archives.hostile import HOSTILE
from harness.worlds.archives.layouts import HUGGING_FACE, LAYOUTS, PYTORCH, TENSORFLOW
from harness.worlds.archives.member import Member, directory, file, hardlink, sparse, symlink

__all__ = [
    "HOSTILE",
    "HUGGING_FACE",
    "LAYOUTS",
    "PYTORCH",
    "TENSORFLOW",
    "Member",
    "differences",
    "directory",
    "file",
    "hardlink",
    "model_archive",
    "sparse",
    "symlink",
]
