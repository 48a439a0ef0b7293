"""Operations on single files: opening, reading and writing."""

OPENING = {
    "open a missing file": "open(B + '/no')",
    "open a folder": "open(B + '/pkg')",
    "open a folder to write": "open(B + '/pkg', 'w')",
    "open below a file": "open(B + '/a.txt/x')",
    "open in a missing folder": "open(B + '/no/x', 'w')",
    "open anew what is there": "open(B + '/a.txt', 'x')",
    "open anew what a link leads nowhere from": "open(B + '/dangling', 'x')",
    "open anew": "open(O + '/x', 'x').close(); p(os.listdir(O))",
    "open no name": "open('')",
    "open a name with a zero": "open(B + '/a\\0b')",
    "open a name of 255 bytes": "open(O + '/' + 'n' * 255, 'w').close(); p(len(os.listdir(O)[0]))",
    "open a name of 256 bytes": "open(O + '/' + 'n' * 256, 'w')",
    "open a name of 86 letters of three bytes": "open(O + '/' + '\\u4e2d' * 86, 'w')",
    "open a long path": "open(O + '/d' * 2100, 'w')",
    "open a loop of links": "open(B + '/loop')",
    "open a link that leads nowhere": "open(B + '/dangling')",
    "write through a link that leads nowhere": """
        open(B + '/dangling', 'w').write('x')
        p(os.path.islink(B + '/dangling'), open(B + '/nowhere').read())
    """,
    "open with two modes": "open(B + '/a.txt', 'rw')",
    "open text without a buffer": "open(B + '/a.txt', 'r', 0)",
    "open with a mode of another letter": "open(B + '/a.txt', 'z')",
    "open with no mode but plus": "open(B + '/a.txt', '+')",
    "open as text and bytes": "open(B + '/a.txt', 'rbt')",
    "open bytes with errors": "open(B + '/a.txt', 'rb', errors='strict')",
    "open with no end of lines": "open(B + '/a.txt', newline='x')",
    "open bytes with an encoding": "open(B + '/a.txt', 'rb', encoding='utf-8')",
    "open with an unknown encoding": "open(B + '/a.txt', encoding='no-such')",
    "open with an opener": """
        p(open('a.txt', opener=lambda name, flags: os.open(B + '/' + name, flags)).read())
    """,
    "open a descriptor": """
        number = os.open(B + '/a.txt', os.O_RDONLY)
        with open(number) as file:
            p(file.read(), file.name == number)
        os.close(number)
    """,
    "open a descriptor and keep it": """
        number = os.open(B + '/a.txt', os.O_RDONLY)
        with open(number, closefd=False) as file:
            p(file.read(2))
        os.lseek(number, 1, os.SEEK_SET)
        p(os.read(number, 2))
        os.close(number)
    """,
    "open a path object": "p(open(pathlib.Path(B, 'a.txt')).read())",
    "open a path in bytes": "p(open(os.fsencode(B) + b'/a.txt').read())",
    "open a relative path": "os.chdir(B); p(open('pkg/../a.txt').read(), open('./a.txt').name)",
    "what an open file tells": """
        with open(B + '/a.txt', 'rb') as file:
            p(file.name == B + '/a.txt', file.mode, file.closed, file.isatty(), file.seekable())
        p(file.closed)
    """,
    "what an open text file tells": """
        with open(B + '/a.txt') as file:
            p(file.mode, file.encoding.lower(), file.errors, file.newlines, file.line_buffering)
            file.read()
            p(file.newlines)
    """,
    "classes of open files": """
        kinds = {
            'r': io.TextIOWrapper,
            'rb': io.BufferedReader,
            'r+b': io.BufferedRandom,
            'ab': io.BufferedWriter,
        }
        for mode, kind in kinds.items():
            with open(B + '/a.txt', mode) as file:
                p(mode, isinstance(file, kind), isinstance(file, io.IOBase), repr(file))
        p(isinstance(open(B + '/a.txt', 'rb', 0), io.FileIO))
    """,
}

READING = {
    "read line by line": "p([line for line in open(B + '/a.txt')])",
    "read lines up to a size": "p(open(B + '/a.txt').readlines(1), open(B + '/a.txt').readline(1))",
    "read after the end": "f = open(B + '/a.txt'); f.read(); p(f.read(), f.readline(), list(f))",
    "read what is closed": "f = open(B + '/a.txt'); f.close(); f.read()",
    "read what is opened to write": "open(O + '/x', 'w').read()",
    "write what is opened to read": "open(B + '/a.txt').write('x')",
    "read bytes of what is opened to write": "open(O + '/x', 'wb').read()",
    "read a line of what is opened to write": "open(O + '/x', 'wb').readline()",
    "iterate over what is opened to write": "list(open(O + '/x', 'w'))",
    "write bytes to what is opened to read": "open(B + '/a.txt', 'rb').write(b'x')",
    "write lines to what is opened to read": "open(B + '/a.txt').writelines(['x'])",
    "read bytes of what is closed": "f = open(B + '/a.txt', 'rb'); f.close(); f.read()",
    "write bytes to what is closed": "f = open(O + '/x', 'wb'); f.close(); f.write(b'x')",
    "write text to what is closed": "f = open(O + '/x', 'w'); f.close(); f.write('x')",
    "seek in what is closed": "f = open(B + '/a.txt'); f.close(); f.seek(0)",
    "iterate over what is closed": "f = open(B + '/a.txt'); f.close(); list(f)",
    "enter what is closed": "f = open(B + '/a.txt'); f.close(); f.__enter__()",
    "close twice": "f = open(B + '/a.txt'); f.close(); p(f.close(), f.closed)",
    "read bytes as text": "open(B + '/bytes').read()",
    "read bytes as text that is replaced": """
        p(open(B + '/bytes', errors='replace').read()[120:132])
    """,
    "read bytes as text with escapes": """
        text = open(B + '/bytes', errors='surrogateescape', newline='').read()
        p(text.encode('utf-8', 'surrogateescape') == open(B + '/bytes', 'rb').read())
    """,
    "read the ends of lines": """
        open(O + '/x', 'wb').write(b'a\\r\\nb\\rc\\n')
        for newline in (None, '', '\\n', '\\r', '\\r\\n'):
            p(newline, open(O + '/x', newline=newline).readlines())
    """,
    "write the ends of lines": """
        for newline in (None, '', '\\n', '\\r', '\\r\\n'):
            with open(O + '/x', 'w', newline=newline) as file:
                file.write('a\\nb\\r\\n')
            p(newline, open(O + '/x', 'rb').read())
    """,
    "read into a buffer": """
        buffer = bytearray(4)
        with open(B + '/a.txt', 'rb') as file:
            p(file.readinto(buffer), buffer, file.readinto1(buffer), buffer, file.read1())
    """,
    "look ahead": "f = open(B + '/a.txt', 'rb'); p(f.peek(1)[:2], f.tell(), f.read(1))",
    "seek and tell": """
        with open(B + '/a.txt', 'rb') as file:
            p(file.seek(-2, 2), file.read(), file.tell(), file.seek(1), file.seek(1, 1))
    """,
    "seek before the start": "open(B + '/a.txt', 'rb').seek(-1)",
    "seek text from its end": "p(open(B + '/a.txt').seek(0, 2)); open(B + '/a.txt').seek(-1, 2)",
    "tell while iterating": """
        f = open(B + '/a.txt')
        next(f)
        f.tell()
    """,
    "read an empty file": "p(open(B + '/empty').read(), open(B + '/empty', 'rb').readlines())",
    "a byte order mark": """
        open(O + '/x', 'w', encoding='utf-8-sig').write('a')
        p(
            open(O + '/x', 'rb').read(),
            open(O + '/x').read(),
            open(O + '/x', encoding='utf-8-sig').read(),
        )
    """,
    "utf-16": """
        open(O + '/x', 'w', encoding='utf-16-le').write('a\\n')
        p(open(O + '/x', 'rb').read(), open(O + '/x', encoding='utf-16-le').read())
    """,
}

WRITING = {
    "write anew": "open(B + '/a.txt', 'w').close(); p(os.path.getsize(B + '/a.txt'))",
    "append": """
        f = open(B + '/a.txt', 'a')
        p(f.tell(), f.write('x'))
        f.close()
        p(open(B + '/a.txt').read())
    """,
    "append and read": """
        with open(B + '/a.txt', 'a+') as file:
            p(file.read())
            file.seek(0)
            p(file.readline())
            file.write('end')
        p(open(B + '/a.txt').read())
    """,
    "write in the middle": """
        with open(B + '/a.txt', 'r+b') as file:
            file.seek(1)
            file.write(b'X')
            p(file.read(2))
        p(open(B + '/a.txt').read())
    """,
    "write after the end": """
        with open(O + '/x', 'wb') as file:
            file.seek(5)
            file.write(b'x')
        p(open(O + '/x', 'rb').read())
    """,
    "truncate": """
        with open(B + '/a.txt', 'r+') as file:
            p(file.truncate(2), file.tell(), file.read())
        with open(B + '/a.txt', 'r+') as file:
            p(file.truncate(4))
        p(open(B + '/a.txt', 'rb').read())
    """,
    "truncate where it is": """
        with open(B + '/a.txt', 'r+b') as file:
            file.read(1)
            p(file.truncate())
        p(os.path.getsize(B + '/a.txt'))
    """,
    "truncate what is opened to read": "open(B + '/a.txt').truncate(0)",
    "truncate by path": "os.truncate(B + '/a.txt', 1); p(open(B + '/a.txt').read())",
    "two who write": """
        one, other = open(O + '/x', 'w'), open(O + '/x', 'w')
        one.write('aaaa')
        one.flush()
        other.write('b')
        other.close()
        one.close()
        p(open(O + '/x').read())
    """,
    "two who append": """
        one, other = open(O + '/x', 'a'), open(O + '/x', 'a')
        for file, text in ((one, 'a'), (other, 'b'), (one, 'c')):
            file.write(text)
            file.flush()
        one.close(), other.close()
        p(open(O + '/x').read())
    """,
    "what is not flushed is not there": """
        f = open(O + '/x', 'w')
        f.write('abc')
        p(os.path.getsize(O + '/x'), open(O + '/x').read())
        f.flush()
        p(os.path.getsize(O + '/x'))
        f.close()
    """,
    "more than the buffer holds": """
        f = open(O + '/x', 'wb')
        f.write(b'x' * 5)
        f.write(b'y' * 100000)
        p(os.path.getsize(O + '/x'))
        f.close()
        p(os.path.getsize(O + '/x'))
    """,
    "without a buffer": """
        f = open(O + '/x', 'wb', 0)
        p(f.write(b'abc'), os.path.getsize(O + '/x'))
        f.close()
    """,
    "a buffer of a line": """
        f = open(O + '/x', 'w', 1)
        f.write('one')
        p(os.path.getsize(O + '/x'))
        f.write(' two\\nthree')
        p(os.path.getsize(O + '/x') > 0)
        f.close()
    """,
    "read and write a file that was removed": """
        f = open(B + '/a.txt', 'r+')
        os.remove(B + '/a.txt')
        p(f.read(), f.write('more'), os.path.exists(B + '/a.txt'), os.fstat(f.fileno()).st_nlink)
        f.seek(0)
        p(f.read())
        f.close()
    """,
    "write a file that was moved": """
        f = open(O + '/x', 'w')
        os.rename(O + '/x', O + '/y')
        f.write('moved')
        f.close()
        p(os.listdir(O), open(O + '/y').read())
    """,
    "write a file that was replaced": """
        f = open(O + '/x', 'w')
        open(O + '/y', 'w').write('new')
        os.replace(O + '/y', O + '/x')
        f.write('old')
        f.close()
        p(os.listdir(O), open(O + '/x').read())
    """,
    "write text to bytes": "open(O + '/x', 'wb').write('text')",
    "write bytes to text": "open(O + '/x', 'w').write(b'bytes')",
    "write what the encoding lacks": "open(O + '/x', 'w', encoding='ascii').write('\\xe9')",
    "write half a character": "open(O + '/x', 'w').write('\\ud800')",
    "write a read-only file as root": """
        open(B + '/read-only', 'w').write('x')
        p(open(B + '/read-only').read())
    """,
    "reconfigure": """
        f = open(O + '/x', 'w')
        f.write('a\\n')
        f.reconfigure(newline='\\r\\n', encoding='latin-1')
        f.write('\\xe9\\n')
        f.close()
        p(open(O + '/x', 'rb').read())
    """,
    "detach": """
        f = open(O + '/x', 'w')
        f.write('a')
        b = f.detach()
        b.write(b'b')
        b.close()
        p(open(O + '/x').read())
    """,
    "write lines": """
        f = open(O + '/x', 'w')
        f.writelines(['a', 'b\\n'])
        f.close()
        p(open(O + '/x').read())
    """,
    "a raw file": """
        f = io.FileIO(O + '/x', 'w')
        p(f.write(b'abc'), f.mode, f.name == O + '/x')
        f.close()
        p(io.FileIO(O + '/x').readall())
    """,
    "a wrapper of a raw file": """
        with io.BufferedWriter(io.FileIO(O + '/x', 'w')) as file:
            file.write(b'abc')
        with io.BufferedReader(io.FileIO(O + '/x')) as file:
            p(file.read())
    """,
    "a file that codecs opens": """
        codecs.open(O + '/x', 'w', 'utf-8').write('\\xe9')
        p(open(O + '/x', 'rb').read())
    """,
    "print to a file": """
        f = open(O + '/x', 'w')
        print('a', 1, file=f, flush=True)
        p(open(O + '/x').read())
    """,
    "write a view": """
        f = open(O + '/x', 'wb')
        p(f.write(memoryview(b'abc')[1:]))
        f.close()
        p(open(O + '/x').read())
    """,
    "write after a line was read": """
        with open(B + '/a.txt', 'r+') as file:
            p(file.readline())
            file.write('new')
        p(open(B + '/a.txt').read())
    """,
    "bytes in a text file": """
        with open(O + '/x', 'w') as file:
            file.buffer.write(b'ab')
            file.write('c')
        p(open(O + '/x').read())
    """,
}
