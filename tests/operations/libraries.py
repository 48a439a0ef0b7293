"""Operations of Python's library on files: temporary files, archives and data."""

TEMPORARY = {
    "a named file": """
        with tempfile.NamedTemporaryFile('w', dir=O, suffix='.x') as file:
            file.write('a')
            file.flush()
            p(os.listdir(O) == [os.path.basename(file.name)], oct(os.stat(file.name).st_mode))
        p(os.listdir(O))
    """,
    "a named file that is kept": """
        with tempfile.NamedTemporaryFile('w', dir=O, delete=False) as file:
            file.write('a')
        os.replace(file.name, O + '/x')
        p(os.listdir(O), oct(os.stat(O + '/x').st_mode))
    """,
    "a named file that is dropped": """
        file = tempfile.NamedTemporaryFile(dir=O)
        del file
        p(os.listdir(O))
    """,
    "a named file that was moved": """
        file = tempfile.NamedTemporaryFile(dir=O)
        os.rename(file.name, O + '/x')
        try:
            file.close()
        except OSError as error:
            p(error.strerror, error.filename == file.name)
    """,
    "a file without a name": """
        file = tempfile.TemporaryFile(dir=O)
        file.write(b'abc')
        file.seek(0)
        p(file.read(), os.listdir(O))
    """,
    "a folder": """
        with tempfile.TemporaryDirectory(dir=O) as folder:
            open(folder + '/x', 'w').close()
            p(oct(os.stat(folder).st_mode), os.listdir(folder))
        p(os.listdir(O))
    """,
    "a folder that is dropped": """
        folder = tempfile.TemporaryDirectory(dir=O)
        folder.cleanup()
        p(os.listdir(O))
    """,
    "mkstemp": """
        number, name = tempfile.mkstemp('.end', 'start', O)
        os.close(number)
        p(oct(os.stat(name).st_mode), os.path.basename(name)[:5], name[-4:])
        os.remove(name)
    """,
    "mkdtemp": "name = tempfile.mkdtemp(dir=O); p(oct(os.stat(name).st_mode)); os.rmdir(name)",
    "a file in memory at first": """
        with tempfile.SpooledTemporaryFile(10, 'w+', dir=O) as file:
            file.write('a' * 20)
            file.seek(0)
            p(len(file.read()), os.listdir(O))
    """,
    "in a missing folder": """
        try:
            tempfile.NamedTemporaryFile(dir=O + '/no')
        except OSError as error:
            p(error.strerror, os.path.dirname(error.filename) == O + '/no')
    """,
    "where they are": """
        p(tempfile.gettempdir())
        os.environ['TMPDIR'] = O
        tempfile.tempdir = None
        p(tempfile.gettempdir() == O)
        tempfile.tempdir = None
        del os.environ['TMPDIR']
    """,
}

ARCHIVES = {
    "tar": """
        with tarfile.open(O + '/x.tar.gz', 'w:gz') as tar:
            tar.add(B, 'top')
        with tarfile.open(O + '/x.tar.gz') as tar:
            p(sorted((one.name, one.type, one.size, one.linkname) for one in tar))
        os.remove(O + '/x.tar.gz')
    """,
    "tar with links": """
        os.link(B + '/a.txt', B + '/b.txt')
        with tarfile.open(O + '/x.tar', 'w') as tar:
            tar.add(B + '/a.txt', 'a')
            tar.add(B + '/b.txt', 'b')
            tar.add(B + '/file-link', 'c')
        with tarfile.open(O + '/x.tar') as tar:
            p([(one.name, one.islnk(), one.issym(), one.linkname) for one in tar])
            tar.extractall(O + '/y')
        p(os.stat(O + '/y/a').st_nlink, os.readlink(O + '/y/c'))
        os.remove(O + '/x.tar')
    """,
    "tar that follows links": """
        with tarfile.open(O + '/x.tar', 'w', dereference=True) as tar:
            tar.add(B + '/link', 'top')
            p(sorted(tar.getnames()), tar.getmember('top').isdir())
        os.remove(O + '/x.tar')
    """,
    "tar of bytes": """
        with tarfile.open(O + '/x.tar', 'w') as tar:
            member = tarfile.TarInfo('x')
            member.size, member.mode, member.mtime = 3, 0o640, 100
            tar.addfile(member, io.BytesIO(b'abc'))
        with tarfile.open(O + '/x.tar') as tar:
            tar.extract('x', O)
        p(open(O + '/x').read(), oct(os.stat(O + '/x').st_mode), os.path.getmtime(O + '/x'))
    """,
    "append to a tar": """
        for name in ('a.txt', 'm.py'):
            with tarfile.open(O + '/x.tar', 'a') as tar:
                tar.add(B + '/' + name, name)
        p(
            tarfile.open(O + '/x.tar').getnames(),
            tarfile.is_tarfile(O + '/x.tar'),
            tarfile.is_tarfile(B + '/a.txt'),
        )
        os.remove(O + '/x.tar')
    """,
    "extract a tar of folders": """
        with tarfile.open(O + '/x.tar', 'w') as tar:
            tar.add(B + '/pkg', 'pkg')
        tarfile.open(O + '/x.tar').extractall(O)
        os.remove(O + '/x.tar')
        p(sorted(os.listdir(O + '/pkg')))
    """,
    "tar in a stream": """
        with open(O + '/x', 'wb') as file, tarfile.open(fileobj=file, mode='w|gz') as tar:
            tar.add(B + '/a.txt', 'a')
        with open(O + '/x', 'rb') as file, tarfile.open(fileobj=file, mode='r|*') as tar:
            p([tar.extractfile(one).read() for one in tar])
        os.remove(O + '/x')
    """,
    "tar with xz and bz2": """
        for kind in ('xz', 'bz2'):
            with tarfile.open(O + '/x', 'w:' + kind) as tar:
                tar.add(B + '/a.txt', 'a')
            p(kind, tarfile.open(O + '/x').getnames())
        os.remove(O + '/x')
    """,
    "what is no tar": "tarfile.open(B + '/a.txt')",
    "an empty tar": "tarfile.open(B + '/empty')",
    "a tar that is missing": "tarfile.open(B + '/no')",
    "zip": """
        with zipfile.ZipFile(O + '/x.zip', 'w', zipfile.ZIP_DEFLATED) as file:
            file.write(B + '/a.txt', 'a')
            file.write(B + '/pkg', 'pkg')
            file.writestr('b/c', 'text')
        with zipfile.ZipFile(O + '/x.zip') as file:
            p(file.namelist(), file.testzip(), file.read('b/c'), file.getinfo('pkg/').is_dir())
            file.extractall(O + '/y')
        os.remove(O + '/x.zip')
        p(sorted(os.listdir(O + '/y')))
    """,
    "append to a zip": """
        for name in ('a', 'b'):
            with zipfile.ZipFile(O + '/x.zip', 'a') as file:
                file.writestr(name, name)
        p(zipfile.ZipFile(O + '/x.zip').namelist(), zipfile.is_zipfile(O + '/x.zip'))
        os.remove(O + '/x.zip')
    """,
    "a path in a zip": """
        with zipfile.ZipFile(O + '/x.zip', 'w') as file:
            file.writestr('b/c', 'text')
        root = zipfile.Path(O + '/x.zip')
        p(
            [one.name for one in root.iterdir()],
            (root / 'b' / 'c').read_text(),
            (root / 'no').exists(),
        )
        os.remove(O + '/x.zip')
    """,
    "what is no zip": "zipfile.ZipFile(B + '/a.txt')",
    "gzip": """
        with gzip.open(O + '/x', 'wt') as file:
            file.write('abc\\n')
        with gzip.open(O + '/x', 'at') as file:
            file.write('more')
        p(gzip.open(O + '/x', 'rt').read(), gzip.open(O + '/x').readline())
        os.remove(O + '/x')
    """,
    "gzip without a date": """
        with open(O + '/x', 'wb') as file:
            with gzip.GzipFile('', 'wb', fileobj=file, mtime=0) as packed:
                packed.write(b'abc')
        p(gzip.decompress(open(O + '/x', 'rb').read()))
    """,
    "what is no gzip": "gzip.open(B + '/a.txt').read()",
    "half a gzip": """
        open(O + '/x', 'wb').write(gzip.compress(b'abc' * 100, mtime=0)[:-9])
        gzip.open(O + '/x').read()
    """,
    "lzma and bz2": """
        for one in (lzma, bz2):
            with one.open(O + '/x', 'wb') as file:
                file.write(b'abc')
            p(one.open(O + '/x', 'rt').read())
        os.remove(O + '/x')
    """,
    "make and unpack": """
        for kind in ('zip', 'tar', 'gztar', 'bztar', 'xztar'):
            path = shutil.make_archive(O + '/x', kind, B, 'pkg')
            shutil.unpack_archive(path, O + '/' + kind)
            os.remove(path)
            p(path[len(O) :], sorted(os.listdir(O + '/' + kind + '/pkg')))
    """,
    "make an archive of the current folder": """
        os.chdir(B + '/pkg')
        path = shutil.make_archive(O + '/x', 'zip')
        p(sorted(zipfile.ZipFile(path).namelist()))
        os.remove(path)
    """,
    "unpack what has no known name": "shutil.unpack_archive(B + '/a.txt', O)",
}

DATA = {
    "json": """
        json.dump({'a': [1, None]}, open(O + '/x', 'w'))
        p(json.load(open(O + '/x')), json.loads(pathlib.Path(O, 'x').read_bytes()))
    """,
    "json that is none": "json.load(open(B + '/a.txt'))",
    "csv": """
        with open(O + '/x', 'w', newline='') as file:
            csv.writer(file).writerows([[1, 'a,b'], ['c\\nd', '']])
        p(open(O + '/x', newline='').read(), list(csv.reader(open(O + '/x', newline=''))))
    """,
    "csv of dictionaries": """
        with open(O + '/x', 'w') as file:
            writer = csv.DictWriter(file, ['a', 'b'])
            writer.writeheader()
            writer.writerow({'a': 1, 'b': 2})
        p(list(csv.DictReader(open(O + '/x'))))
    """,
    "pickle": "pickle.dump({'a': {1}}, open(O + '/x', 'wb')); p(pickle.load(open(O + '/x', 'rb')))",
    "pickle of nothing": "pickle.load(open(B + '/empty', 'rb'))",
    "configparser": """
        found = configparser.ConfigParser()
        open(O + '/x', 'w').write('[a]\\nb = 1\\n')
        p(found.read([O + '/x', O + '/no']) == [O + '/x'], found['a']['b'])
        found['a']['c'] = '2'
        found.write(open(O + '/y', 'w'))
        p(open(O + '/y').read())
    """,
    "xml": """
        xml.etree.ElementTree.ElementTree(xml.etree.ElementTree.Element('a', b='c')).write(
            O + '/x'
        )
        p(open(O + '/x').read(), xml.etree.ElementTree.parse(O + '/x').getroot().attrib)
    """,
    "fileinput": """
        for line in fileinput.input(B + '/a.txt', inplace=True):
            print('>', line, end='')
        p(open(B + '/a.txt').read())
        with fileinput.input([B + '/a.txt', B + '/m.py']) as lines:
            p([(fileinput.filelineno(), line) for line in lines])
    """,
    "lines of a file": "p(linecache.getline(B + '/a.txt', 2), linecache.getlines(B + '/no'))",
    "source code of a file": """
        open(O + '/x.py', 'wb').write(b'# coding: latin-1\\n\\xe9')
        f = tokenize.open(O + '/x.py')
        p(f.encoding, f.read())
        f.close()
    """,
    "digest of a file": """
        p(
            hashlib.sha256(open(B + '/bytes', 'rb').read()).hexdigest()[:9],
            hashlib.md5(pathlib.Path(B, 'bytes').read_bytes()).hexdigest()[:9],
        )
    """,
    "arrays": """
        array.array('i', [1, 2]).tofile(open(O + '/x', 'wb'))
        a = array.array('i')
        a.fromfile(open(O + '/x', 'rb'), 2)
        p(a)
    """,
    "an array that is cut": "a = array.array('i'); a.fromfile(open(B + '/a.txt', 'rb'), 2)",
    "logs": """
        log = logging.getLogger('a')
        handler = logging.FileHandler(O + '/x')
        log.addHandler(handler)
        log.error('one')
        p(open(O + '/x').read())
        log.removeHandler(handler), handler.close()
    """,
    "logs in turns": """
        log = logging.getLogger('b')
        handler = logging.handlers.RotatingFileHandler(O + '/x', maxBytes=5, backupCount=2)
        log.addHandler(handler)
        for text in ('one', 'two', 'three', 'four'):
            log.error(text)
        log.removeHandler(handler), handler.close()
        p(*((name, open(O + '/' + name).read()) for name in sorted(os.listdir(O))))
    """,
    "plist": """
        plistlib.dump({'a': 1}, open(O + '/x', 'wb'))
        p(plistlib.load(open(O + '/x', 'rb')))
    """,
    "shelve": """
        with shelve.Shelf(dbm.dumb.open(O + '/x')) as found:
            found['a'] = [1]
        with shelve.Shelf(dbm.dumb.open(O + '/x')) as found:
            p(dict(found))
        p(sorted(os.listdir(O)))
    """,
    "time zones": """
        p(
            zoneinfo.ZoneInfo('Europe/Berlin').utcoffset(datetime.datetime(2024, 7, 1)),
            len(zoneinfo.available_timezones()) > 100,
        )
    """,
    "kinds of files": "p(mimetypes.guess_type(B + '/a.txt'), mimetypes.guess_type('x.tar.gz'))",
    "threads": """
        def write(number):
            with open(O + '/x%d' % number, 'w') as file:
                file.write(str(number))
            return os.path.getsize(O + '/x%d' % number)


        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            p(list(pool.map(write, range(8))), sorted(os.listdir(O)))
    """,
    "asynchronous": """
        async def write(number):
            await asyncio.to_thread(pathlib.Path(O, 'x%d' % number).write_text, str(number))


        async def main():
            await asyncio.gather(*(write(number) for number in range(4)))


        asyncio.run(main())
        p(sorted(os.listdir(O)))
    """,
}
