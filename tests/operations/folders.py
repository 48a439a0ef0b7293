"""Operations on folders, links and attributes, of `os`."""

FOLDERS = {
    "mkdir of what is there": "os.mkdir(B + '/pkg')",
    "mkdir of what a file is": "os.mkdir(B + '/a.txt')",
    "mkdir in a missing folder": "os.mkdir(O + '/no/x')",
    "mkdir below a file": "os.mkdir(B + '/a.txt/x')",
    "mkdir with a mode": "os.mkdir(O + '/x', 0o777); p(oct(os.stat(O + '/x').st_mode))",
    "mkdir with a slash at its end": "os.mkdir(O + '/x/'); p(os.listdir(O))",
    "makedirs": """
        os.makedirs(O + '/x/y/z', 0o700)
        p(oct(os.stat(O + '/x').st_mode), oct(os.stat(O + '/x/y/z').st_mode))
    """,
    "makedirs of what is there": "os.makedirs(B + '/pkg', exist_ok=True); os.makedirs(B + '/pkg')",
    "makedirs of what a file is": "os.makedirs(B + '/a.txt', exist_ok=True)",
    "makedirs below a file": "os.makedirs(B + '/a.txt/x/y', exist_ok=True)",
    "makedirs of what a link leads to": """
        os.makedirs(B + '/link', exist_ok=True)
        p(os.path.islink(B + '/link'))
    """,
    "makedirs of what a link leads nowhere from": "os.makedirs(B + '/dangling', exist_ok=True)",
    "rmdir": "os.mkdir(O + '/x'); os.rmdir(O + '/x'); p(os.listdir(O))",
    "rmdir of what is not empty": "os.rmdir(B + '/pkg')",
    "rmdir of a file": "os.rmdir(B + '/a.txt')",
    "rmdir of a link": "os.rmdir(B + '/link')",
    "rmdir of what is missing": "os.rmdir(B + '/no')",
    "remove a folder": "os.remove(B + '/pkg')",
    "remove what is missing": "os.remove(B + '/no')",
    "removedirs": """
        os.makedirs(O + '/x/y/z')
        open(O + '/kept', 'w').close()
        os.removedirs(O + '/x/y/z')
        p(os.listdir(O))
    """,
    "listdir": "p(sorted(os.listdir(B)))",
    "listdir of a file": "os.listdir(B + '/a.txt')",
    "listdir of a link": "p(sorted(os.listdir(B + '/link')))",
    "listdir of a descriptor": """
        number = os.open(B, os.O_RDONLY)
        p(sorted(os.listdir(number)))
        os.close(number)
    """,
    "scandir": """
        with os.scandir(B) as found:
            for one in sorted(found, key=lambda one: one.name):
                p(
                    one.name,
                    one.path == B + '/' + one.name,
                    one.is_dir(),
                    one.is_file(),
                    one.is_symlink(),
                )
    """,
    "scandir without links": """
        for one in sorted(os.scandir(B), key=lambda one: one.name):
            p(one.name, one.is_dir(follow_symlinks=False), one.is_file(follow_symlinks=False))
    """,
    "what scandir knows of a file": """
        (one,) = [one for one in os.scandir(B) if one.name == 'file-link']
        p(one.stat().st_size, stat.S_ISLNK(one.stat(follow_symlinks=False).st_mode))
        p(one.inode() == os.lstat(one.path).st_ino, os.fspath(one) == one.path)
    """,
    "scandir of what is missing": "os.scandir(B + '/no')",
    "walk": """
        for folder, folders, files in sorted(os.walk(B)):
            p(folder[len(B) :], sorted(folders), sorted(files))
    """,
    "walk through links": "p(sorted(one[0][len(B):] for one in os.walk(B, followlinks=True)))",
    "walk from below": "p([one[0][len(B):] for one in os.walk(B, topdown=False)][-1])",
    "walk and leave out": """
        found = []
        for folder, folders, files in os.walk(B):
            folders[:] = [one for one in folders if one == 'pkg']
            found += files
        p(sorted(found))
    """,
    "walk of what is missing": """
        p(list(os.walk(B + '/no')))
        os.walk(B + '/no', onerror=print).__next__()
    """,
    "chdir": "os.chdir(B + '/link'); p(os.getcwd() == B + '/pkg', open('sub.py').read())",
    "chdir to a file": "os.chdir(B + '/a.txt')",
    "chdir to what is missing": "os.chdir(B + '/no')",
    "a folder that is gone": """
        os.mkdir(O + '/x')
        os.chdir(O + '/x')
        os.rmdir(O + '/x')
        os.getcwd()
    """,
    "a relative path out of a folder": """
        os.chdir(B + '/pkg')
        p(open('../a.txt').read(), os.path.exists('../../b'))
    """,
    "rename a folder onto an empty one": """
        os.mkdir(B + '/e')
        os.rename(B + '/pkg', B + '/e')
        p(sorted(os.listdir(B + '/e')))
    """,
    "rename a folder onto a full one": "os.rename(B + '/pkg', B + '/app')",
    "rename a folder into itself": "os.rename(B + '/pkg', B + '/pkg/x')",
    "rename a folder onto a file": "os.rename(B + '/pkg', B + '/a.txt')",
    "rename a file onto a folder": "os.rename(B + '/a.txt', B + '/pkg')",
    "rename a file onto a file": """
        os.rename(B + '/a.txt', B + '/m.py')
        p(open(B + '/m.py').read(), os.path.exists(B + '/a.txt'))
    """,
    "rename what is missing": "os.rename(B + '/no', B + '/x')",
    "rename into a missing folder": "os.rename(B + '/a.txt', B + '/no/x')",
    "rename onto itself": "os.rename(B + '/a.txt', B + '/a.txt'); p(open(B + '/a.txt').read())",
    "rename onto another name of itself": """
        os.link(B + '/a.txt', B + '/other')
        os.rename(B + '/a.txt', B + '/other')
        p(os.path.exists(B + '/a.txt'), os.path.exists(B + '/other'))
    """,
    "rename a link": """
        os.rename(B + '/link', B + '/moved')
        p(os.readlink(B + '/moved'), os.path.exists(B + '/pkg/sub.py'))
    """,
    "rename onto a link": """
        os.rename(B + '/a.txt', B + '/file-link')
        p(os.path.islink(B + '/file-link'))
    """,
    "renames": """
        os.renames(B + '/ns/inner.py', O + '/x/y')
        p(os.path.exists(B + '/ns'), os.listdir(O + '/x'))
    """,
    "replace a folder by a file": "os.replace(B + '/a.txt', B + '/pkg')",
    "how many links a folder has": """
        p(os.stat(O).st_nlink)
        os.mkdir(O + '/x')
        p(os.stat(O).st_nlink, os.stat(O + '/x').st_nlink)
    """,
    "listdir of the current folder": """
        os.chdir(B)
        print(sorted(os.listdir()), sorted((e.name for e in os.scandir())))
    """,
    "fwalk": """
        for folder, folders, files, handle in sorted(os.fwalk(B)):
            print(folder, sorted(folders), sorted(files), type(handle))
    """,
    "fwalk with descriptors": """
        for f, d, x, h in os.fwalk(B):
            for n in x:
                os.stat(n, dir_fd=h)
        print('ok')
    """,
    "fwalk from below": "print([f.replace(B, '') for f, *_ in os.fwalk(B, topdown=False)][-1:])",
    "a file with a slash at its end": """
        for attempt in (os.stat, os.remove, os.listdir, os.chdir, open):
            try:
                attempt(B + '/a.txt/')
            except OSError as error:
                p(error)
        p(os.path.exists(B + '/a.txt/'), os.path.isfile(B + '/a.txt/'))
    """,
    "rename a file with a slash at its end": "os.rename(B + '/a.txt/', B + '/x')",
    "rename a file to a name with a slash at its end": "os.rename(B + '/a.txt', B + '/x/')",
    "rename a folder with a slash at its end": """
        os.rename(B + '/pkg/', B + '/x/')
        p(os.path.isdir(B + '/x'))
    """,
}

LINKS = {
    "symlink": """
        os.symlink('a.txt', B + '/x')
        p(os.readlink(B + '/x'), open(B + '/x').read(), os.path.islink(B + '/x'))
    """,
    "symlink onto what is there": "os.symlink('a.txt', B + '/m.py')",
    "symlink in a missing folder": "os.symlink('a.txt', B + '/no/x')",
    "symlink to nothing": "os.symlink('', B + '/x')",
    "symlink of a whole path": "os.symlink(B + '/a.txt', O + '/x'); p(open(O + '/x').read())",
    "symlink that leads out of its folder": """
        os.symlink('../../input/b', O + '/x')
        p(os.path.exists(O + '/x'))
    """,
    "readlink of a file": "os.readlink(B + '/a.txt')",
    "readlink of what is missing": "os.readlink(B + '/no')",
    "remove a link": """
        os.remove(B + '/link')
        p(os.path.exists(B + '/pkg'), os.path.lexists(B + '/link'))
    """,
    "link": """
        os.link(B + '/a.txt', B + '/x')
        p(os.stat(B + '/x').st_nlink, os.path.samefile(B + '/x', B + '/a.txt'))
        open(B + '/x', 'a').write('more')
        p(open(B + '/a.txt').read())
        os.remove(B + '/a.txt')
        p(os.stat(B + '/x').st_nlink)
    """,
    "link to a folder": "os.link(B + '/pkg', B + '/x')",
    "link to what is missing": "os.link(B + '/no', B + '/x')",
    "link onto what is there": "os.link(B + '/a.txt', B + '/m.py')",
    "link to a link": """
        os.link(B + '/file-link', B + '/x', follow_symlinks=False)
        p(os.path.islink(B + '/x'))
    """,
    "what links are": """
        for name in ('link', 'file-link', 'dangling', 'loop', 'a.txt', 'no'):
            path = B + '/' + name
            p(
                name,
                os.path.exists(path),
                os.path.lexists(path),
                os.path.islink(path),
                os.path.isdir(path),
                os.path.isfile(path),
            )
    """,
    "stat of a link": """
        p(
            oct(os.lstat(B + '/file-link').st_mode),
            os.lstat(B + '/file-link').st_size,
            os.stat(B + '/file-link').st_size,
        )
    """,
    "stat of a link that leads nowhere": "os.stat(B + '/dangling')",
    "stat of a loop": "os.stat(B + '/loop')",
    "realpath": """
        for name in (
            'link/sub.py',
            'file-link',
            'dangling',
            'loop',
            'no/../a.txt',
            'link/../a.txt',
        ):
            p(name, os.path.realpath(B + '/' + name)[len(B) :])
    """,
    "realpath of a loop, strictly": "os.path.realpath(B + '/loop', strict=True)",
    "through a link and out": "p(sorted(os.listdir(B + '/link/..')) == sorted(os.listdir(B)))",
    "chmod through a link": """
        os.chmod(B + '/file-link', 0o600)
        p(oct(os.stat(B + '/a.txt').st_mode), os.path.islink(B + '/file-link'))
    """,
    "write through a link": """
        open(B + '/file-link', 'w').write('x')
        p(open(B + '/a.txt').read(), os.path.islink(B + '/file-link'))
    """,
    "a file below a link": "open(B + '/link/new', 'w').close(); p(sorted(os.listdir(B + '/pkg')))",
    "samefile": """
        p(os.path.samefile(B + '/link', B + '/pkg'), os.path.samefile(B + '/a.txt', B + '/m.py'))
    """,
    "lstat of a path that ends in a dot": """
        print(os.lstat(B + '/.').st_mode == os.stat(B).st_mode)
        print(os.path.islink(B + '/link/.'), os.path.islink(B + '/link'))
    """,
    "a link to another folder and out": """
        os.symlink(O, B + '/far')
        p(sorted(os.listdir(B + '/far/..')) == sorted(os.listdir(os.path.dirname(O))))
        p(os.path.exists(B + '/far/../../input'), os.path.abspath(B + '/far/..') == B)
    """,
    "open out of a link": """
        os.mkdir(O + '/below')
        os.symlink(O + '/below', B + '/far')
        open(O + '/x', 'w').write('1')
        p(open(B + '/far/../x').read(), pathlib.Path(B, 'far', '..', 'x').exists())
    """,
    "lstat of a link with a slash at its end": """
        p(stat.S_ISDIR(os.lstat(B + '/link/').st_mode), os.path.islink(B + '/link/'))
    """,
    "remove a link with a slash at its end": "os.remove(B + '/link/')",
}

ATTRIBUTES = {
    "mode of a new file": "open(O + '/x', 'w').close(); p(oct(os.stat(O + '/x').st_mode))",
    "mode of a new file with a mask": """
        old = os.umask(0o077)
        open(O + '/x', 'w').close(), os.mkdir(O + '/y')
        p(oct(os.umask(old)), oct(os.stat(O + '/x').st_mode), oct(os.stat(O + '/y').st_mode))
    """,
    "chmod": "os.chmod(B + '/a.txt', 0o640); p(oct(os.stat(B + '/a.txt').st_mode))",
    "chmod of what is missing": "os.chmod(B + '/no', 0o600)",
    "chmod of a descriptor": """
        f = open(B + '/a.txt')
        os.fchmod(f.fileno(), 0o601)
        p(oct(os.stat(B + '/a.txt').st_mode))
    """,
    "chmod with a sticky bit": """
        os.chmod(B + '/pkg', 0o1777)
        p(oct(os.stat(B + '/pkg').st_mode), stat.filemode(os.stat(B + '/pkg').st_mode))
    """,
    "chown": """
        os.chown(B + '/a.txt', 12, 34)
        p(os.stat(B + '/a.txt').st_uid, os.stat(B + '/a.txt').st_gid)
    """,
    "chown of one of both": """
        os.chown(B + '/a.txt', -1, 34)
        p(os.stat(B + '/a.txt').st_uid, os.stat(B + '/a.txt').st_gid)
    """,
    "utime": """
        os.utime(B + '/a.txt', (100, 200))
        p(os.path.getatime(B + '/a.txt'), os.path.getmtime(B + '/a.txt'))
    """,
    "utime in nanoseconds": """
        os.utime(B + '/a.txt', ns=(100, 1500000000123456789))
        p(os.stat(B + '/a.txt').st_mtime_ns)
    """,
    "utime of what is missing": "os.utime(B + '/no')",
    "utime of a link": """
        os.utime(B + '/file-link', (5, 6), follow_symlinks=False)
        p(os.lstat(B + '/file-link').st_mtime)
    """,
    "time of what is written": """
        os.utime(B + '/a.txt', (100, 200))
        open(B + '/a.txt', 'a').write('x')
        p(os.path.getmtime(B + '/a.txt') > 1e9)
    """,
    "time of a folder": """
        os.utime(B, (100, 200))
        open(B + '/a.txt', 'a').write('x')
        p(os.path.getmtime(B))
        open(B + '/new', 'w').close()
        p(os.path.getmtime(B) > 1e9)
    """,
    "access": "p(*(os.access(B + '/a.txt', one) for one in (os.F_OK, os.R_OK, os.W_OK, os.X_OK)))",
    "access to what is missing": """
        p(os.access(B + '/no', os.F_OK), os.access(B + '/dangling', os.F_OK))
    """,
    "access to a folder": "p(os.access(B, os.R_OK | os.W_OK | os.X_OK))",
    "sizes": """
        p(
            os.path.getsize(B + '/a.txt'),
            os.path.getsize(B + '/empty'),
            os.stat(B + '/bytes').st_size,
        )
    """,
    "size of what is missing": "os.path.getsize(B + '/no')",
    "what a stat has": """
        found = os.stat(B + '/a.txt')
        p(
            len(found),
            found.st_size == found[stat.ST_SIZE],
            found.st_uid,
            found.st_gid,
            found.st_nlink,
        )
        p(
            type(found.st_mtime).__name__,
            type(found.st_mtime_ns).__name__,
            found == os.stat(B + '/a.txt'),
        )
    """,
    "blocks": """
        open(O + '/x', 'wb').write(b'x' * 5000)
        p(os.stat(O + '/x').st_blocks > 0, os.stat(O + '/x').st_blksize)
    """,
    "stat of a descriptor": """
        f = open(B + '/a.txt')
        p(os.stat(f.fileno()).st_size, os.path.getsize(f.fileno()))
    """,
    "stat of a path in bytes": "p(os.stat(os.fsencode(B) + b'/a.txt').st_size)",
    "stat of a path with a zero": "os.stat(B + '/a\\0b')",
    "whether a path with a zero is there": """
        p(os.path.exists(B + '/a\\0b'), pathlib.Path(B, 'a\\0b').exists())
    """,
    "devices": "p(os.stat(B).st_dev == os.stat(B + '/pkg').st_dev, os.path.ismount(B))",
    "the null device": """
        open('/dev/null', 'w').write('x')
        p(open('/dev/null').read(), stat.S_ISCHR(os.stat('/dev/null').st_mode))
    """,
    "kinds": """
        p(*(stat.S_IFMT(os.lstat(B + '/' + one).st_mode) for one in ('a.txt', 'pkg', 'link')))
    """,
    "chown of a program for another user": """
        os.chmod(B + '/a.txt', 0o6755)
        os.chown(B + '/a.txt', 1, 1)
        os.chmod(B + '/pkg', 0o2755)
        os.chown(B + '/pkg', 1, 1)
        p(oct(os.stat(B + '/a.txt').st_mode), oct(os.stat(B + '/pkg').st_mode))
    """,
    "devices of chance": """
        p(os.path.exists('/dev/urandom'), len(open('/dev/urandom', 'rb').read(4)))
        p(open('/dev/zero', 'rb').read(2))
    """,
}
