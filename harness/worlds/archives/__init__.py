"""Model archives: built from members, spoilt on purpose, read back and compared.

`model_archive` builds one, `LAYOUTS` holds good ones of every kind, `HOSTILE` those that must be
refused, `differences` tells what is wrong with one that a step wrote.
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
