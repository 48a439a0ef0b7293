"""Operations on descriptors, and on the standard streams."""

DESCRIPTORS = {
    "os.open of a missing file": "os.open(B + '/no', os.O_RDONLY)",
    "os.open to make": """
        number = os.open(O + '/x', os.O_CREAT | os.O_WRONLY, 0o666)
        p(oct(os.fstat(number).st_mode), os.write(number, b'abc'))
        os.close(number)
        p(open(O + '/x').read())
    """,
    "os.open exclusively": "os.open(B + '/a.txt', os.O_CREAT | os.O_EXCL | os.O_WRONLY)",
    "os.open exclusively of a link that leads nowhere": """
        os.open(B + '/dangling', os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    """,
    "os.open to truncate": """
        os.close(os.open(B + '/a.txt', os.O_WRONLY | os.O_TRUNC))
        p(os.path.getsize(B + '/a.txt'))
    """,
    "os.open to append": """
        number = os.open(B + '/a.txt', os.O_WRONLY | os.O_APPEND)
        os.lseek(number, 0, os.SEEK_SET)
        os.write(number, b'end')
        os.close(number)
        p(open(B + '/a.txt').read())
    """,
    "os.open of a folder": """
        number = os.open(B, os.O_RDONLY)
        p(stat.S_ISDIR(os.fstat(number).st_mode))
        os.close(number)
    """,
    "os.open of a folder to write": "os.open(B, os.O_WRONLY)",
    "os.open of a file as a folder": "os.open(B + '/a.txt', os.O_RDONLY | os.O_DIRECTORY)",
    "os.open that follows no link": "os.open(B + '/file-link', os.O_RDONLY | os.O_NOFOLLOW)",
    "os.write to what is opened to read": """
        number = os.open(B + '/a.txt', os.O_RDONLY)
        try:
            os.write(number, b'x')
        finally:
            os.close(number)
    """,
    "os.read of what is opened to write": """
        number = os.open(B + '/a.txt', os.O_WRONLY)
        try:
            os.read(number, 1)
        finally:
            os.close(number)
    """,
    "os.read of a folder": """
        number = os.open(B, os.O_RDONLY)
        try:
            os.read(number, 1)
        finally:
            os.close(number)
    """,
    "os.read in parts": """
        number = os.open(B + '/a.txt', os.O_RDONLY)
        p(os.read(number, 2), os.read(number, 100), os.read(number, 1))
        os.close(number)
    """,
    "os.lseek": """
        number = os.open(B + '/a.txt', os.O_RDONLY)
        p(os.lseek(number, -1, os.SEEK_END), os.read(number, 9), os.lseek(number, 0, os.SEEK_CUR))
        os.lseek(number, -1, os.SEEK_SET)
    """,
    "os.close twice": """
        number = os.open(B + '/a.txt', os.O_RDONLY)
        os.close(number)
        os.close(number)
    """,
    "os.fstat of what is closed": """
        number = os.open(B + '/a.txt', os.O_RDONLY)
        os.close(number)
        os.fstat(number)
    """,
    "os.fstat": """
        with open(B + '/a.txt') as file:
            found, there = os.fstat(file.fileno()), os.stat(B + '/a.txt')
            p(found.st_size, oct(found.st_mode), found.st_ino == there.st_ino, found.st_uid)
    """,
    "os.fsync": """
        f = open(O + '/x', 'w')
        f.write('a')
        f.flush()
        p(os.fsync(f.fileno()), os.fdatasync(f))
        f.close()
    """,
    "os.fsync of a folder": """
        number = os.open(O, os.O_RDONLY)
        p(os.fsync(number))
        os.close(number)
    """,
    "os.ftruncate": """
        with open(B + '/a.txt', 'r+b') as file:
            os.ftruncate(file.fileno(), 3)
        p(open(B + '/a.txt').read())
    """,
    "os.fdopen": "p(os.fdopen(os.open(B + '/a.txt', os.O_RDONLY), 'rb').read())",
    "os.fdopen to write what is opened to read": """
        with os.fdopen(os.open(B + '/a.txt', os.O_RDONLY), 'w') as file:
            file.write('x')
    """,
    "os.fdopen of what was written": """
        number = os.open(O + '/x', os.O_CREAT | os.O_RDWR)
        os.write(number, b'abc')
        with os.fdopen(number, 'w') as file:
            p(file.tell(), file.write('d'), file.name == number)
        p(open(O + '/x').read())
    """,
    "os.ftruncate of a longer size": """
        with open(O + '/x', 'w+b') as file:
            file.write(b'ab')
            file.flush()
            p(os.ftruncate(file.fileno(), 4), file.tell(), file.seek(0), file.read())
    """,
    "os.ftruncate of what is opened to read": "f = open(B + '/a.txt'); os.ftruncate(f.fileno(), 0)",
    "os.pread and os.pwrite": """
        number = os.open(B + '/a.txt', os.O_RDWR)
        p(os.pread(number, 2, 3), os.pwrite(number, b'XY', 1), os.lseek(number, 0, os.SEEK_CUR))
        os.close(number)
        p(open(B + '/a.txt').read())
    """,
    "os.readv and os.writev": """
        number = os.open(O + '/x', os.O_RDWR | os.O_CREAT)
        p(os.writev(number, [b'ab', b'cd']), os.lseek(number, 0, os.SEEK_SET))
        buffers = [bytearray(3), bytearray(3)]
        p(os.readv(number, buffers), buffers)
        os.close(number)
    """,
    "os.dup": """
        number = os.open(B + '/a.txt', os.O_RDONLY)
        other = os.dup(number)
        p(os.read(number, 2), os.read(other, 2), other != number)
        os.close(number)
        p(os.read(other, 1))
        os.close(other)
    """,
    "os.dup2": """
        number, other = os.open(B + '/a.txt', os.O_RDONLY), os.open(B + '/m.py', os.O_RDONLY)
        p(os.dup2(number, other) == other, os.read(other, 2))
        os.close(number), os.close(other)
    """,
    "os.sendfile": """
        with open(B + '/a.txt', 'rb') as source, open(O + '/x', 'wb') as target:
            p(os.sendfile(target.fileno(), source.fileno(), 0, 100))
        p(open(O + '/x').read())
    """,
    "os.copy_file_range": """
        with open(B + '/a.txt', 'rb') as source, open(O + '/x', 'wb') as target:
            p(os.copy_file_range(source.fileno(), target.fileno(), 100))
        p(open(O + '/x').read())
    """,
    "os.posix_fallocate": """
        with open(O + '/x', 'wb') as file:
            os.posix_fallocate(file.fileno(), 0, 10)
        p(os.path.getsize(O + '/x'))
    """,
    "os.posix_fadvise": """
        f = open(B + '/a.txt')
        p(os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED))
    """,
    "a pipe": """
        reading, writing = os.pipe()
        os.write(writing, b'abc')
        os.close(writing)
        p(os.read(reading, 10), os.read(reading, 10))
        os.close(reading)
    """,
    "a pipe that nobody reads": """
        reading, writing = os.pipe()
        os.close(reading)
        os.write(writing, b'abc')
    """,
    "the lowest descriptor that is free": """
        one, other = os.open(B + '/a.txt', os.O_RDONLY), os.open(B + '/a.txt', os.O_RDONLY)
        os.close(one)
        p(os.open(B + '/m.py', os.O_RDONLY) == one)
        os.close(one), os.close(other)
    """,
    "what a child inherits": "f = open(B + '/a.txt'); p(os.get_inheritable(f.fileno()))",
    "os.open of no name": """
        number = os.open(O, os.O_TMPFILE | os.O_RDWR)
        p(os.write(number, b'x'), os.listdir(O))
    """,
    "standard output by its number": "sys.stdout.flush(); p(os.write(1, b'by number\\n'))",
    "standard output as bytes": """
        sys.stdout.flush()
        sys.stdout.buffer.write(b'bytes\\n')
        sys.stdout.buffer.flush()
    """,
    "standard output into a file": """
        sys.stdout.flush()
        kept, file = os.dup(1), open(O + '/x', 'w')
        os.dup2(file.fileno(), 1)
        print('into the file', flush=True)
        os.dup2(kept, 1)
        p(open(O + '/x').read())
    """,
    "redirected output": """
        with open(O + '/x', 'w') as file, contextlib.redirect_stdout(file):
            print('redirected')
        p(open(O + '/x').read())
    """,
    "standard input": "p(sys.stdin.read(), sys.stdin.isatty())",
}
