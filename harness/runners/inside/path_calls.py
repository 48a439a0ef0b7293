"""The system calls that name a path, or tell of a file system, and what each does.

Runs on Python 3.8 and newer with the standard library alone.
"""

from __future__ import annotations

from typing import Dict, NamedTuple, Optional, Tuple

from harness.runners.inside.supervision import SENDMSG


class PathCall(NamedTuple):
    """What a system call does to the paths that it names.

    `does` is "ask" (whether something is there), "stat" (all that is known without opening it),
    "open", "make" (make or change), "remove", "move", "execute", "disk", or "connect" and "bind" of
    a socket; any other word is what a script does of which no more is recorded. `paths` are the
    positions of the arguments for a folder, None for the working folder, and for a path below it.
    `detail` is that of the flags, or of what else must be read.
    """

    does: str
    paths: Tuple[Tuple[Optional[int], int], ...] = ()
    detail: int = 0


_FIRST, _SECOND = ((None, 0),), ((None, 1),)
_IN_FOLDER, _LINK_IN_FOLDER = ((0, 1),), ((1, 2),)
_BOTH, _BOTH_IN_FOLDERS = ((None, 0), (None, 1)), ((0, 1), (2, 3))
_WATCHES = "watches files (inotify)"
# Numbers on x86-64 and arm64 → the call.
CALLS: Dict[Tuple[Optional[int], Optional[int]], PathCall] = {
    **dict.fromkeys(((4, None), (6, None)), PathCall("stat", _FIRST)),
    **dict.fromkeys(((262, 79), (332, 291), (468, 468)), PathCall("stat", _IN_FOLDER)),
    # access, readlink, chdir, and reading extended attributes.
    **dict.fromkeys(((21, None), (89, None), (80, 49)), PathCall("ask", _FIRST)),
    **dict.fromkeys(((191, 8), (192, 9), (194, 11), (195, 12)), PathCall("ask", _FIRST)),
    **dict.fromkeys(((269, 48), (439, 439), (267, 78)), PathCall("ask", _IN_FOLDER)),
    **dict.fromkeys(((464, 464), (465, 465)), PathCall("ask", _IN_FOLDER)),
    (2, None): PathCall("open", _FIRST, 1),
    (257, 56): PathCall("open", _IN_FOLDER, 2),
    (437, 437): PathCall("open in a way", _IN_FOLDER, 2),
    (59, 221): PathCall("execute", _FIRST),
    (322, 281): PathCall("execute", _IN_FOLDER),
    # creat, truncate, mkdir, mknod, chmod, chown, lchown, utime and utimes.
    **dict.fromkeys(((85, None), (76, 45), (83, None), (133, None)), PathCall("make", _FIRST)),
    **dict.fromkeys(((90, None), (92, None), (94, None)), PathCall("make", _FIRST)),
    **dict.fromkeys(((132, None), (235, None)), PathCall("make", _FIRST)),
    **dict.fromkeys(((258, 34), (259, 33), (268, 53), (452, 452)), PathCall("make", _IN_FOLDER)),
    **dict.fromkeys(((260, 54), (261, None), (280, 88)), PathCall("make", _IN_FOLDER)),
    # Setting and removing extended attributes, and the attributes of file systems.
    **dict.fromkeys(((188, 5), (189, 6), (197, 14), (198, 15)), PathCall("make", _FIRST)),
    **dict.fromkeys(((463, 463), (466, 466), (469, 469)), PathCall("make", _IN_FOLDER)),
    # Opening a tree of mounts.
    (467, 467): PathCall("make", _IN_FOLDER),
    (88, None): PathCall("make", _SECOND),
    (266, 36): PathCall("make", _LINK_IN_FOLDER),
    **dict.fromkeys(((87, None), (84, None)), PathCall("remove", _FIRST)),
    (263, 35): PathCall("remove", _IN_FOLDER),
    **dict.fromkeys(((82, None), (86, None)), PathCall("move", _BOTH)),
    **dict.fromkeys(((264, 38), (316, 276), (265, 37)), PathCall("move", _BOTH_IN_FOLDERS)),
    (137, 43): PathCall("disk", _FIRST),
    (138, 44): PathCall("disk of a file"),
    (136, None): PathCall("asks how full the disk is"),
    (42, 203): PathCall("connect", (), 1),
    (49, 200): PathCall("bind", (), 1),
    (44, 206): PathCall("connect", (), 4),
    SENDMSG: PathCall("send", (), 1),
    (307, 269): PathCall("sends several messages at once (sendmmsg)"),
    (161, 51): PathCall("changes its root folder (chroot)"),
    **dict.fromkeys(((254, 27), (301, 263)), PathCall(_WATCHES)),
    (303, 264): PathCall("looks at the number of an inode"),
}
# What newer kernels have.
NEWER = range(470, 512)
