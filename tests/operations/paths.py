"""Operations of `pathlib`, `glob`, `shutil` and `filecmp`."""

PATHS = {
    "read and write": """
        p(
            pathlib.Path(O, 'x').write_text('a\\n'),
            pathlib.Path(O, 'x').read_bytes(),
            pathlib.Path(O, 'x').write_bytes(b''),
        )
    """,
    "touch": """
        pathlib.Path(O, 'x').touch(0o600)
        p(oct(pathlib.Path(O, 'x').stat().st_mode))
        pathlib.Path(O, 'x').touch(exist_ok=False)
    """,
    "mkdir with parents": """
        pathlib.Path(O, 'x', 'y').mkdir(parents=True)
        pathlib.Path(O, 'x', 'y').mkdir(exist_ok=True)
        p(os.listdir(O + '/x'))
    """,
    "mkdir without parents": "pathlib.Path(O, 'x', 'y').mkdir()",
    "mkdir where a file is": "pathlib.Path(B, 'a.txt').mkdir(exist_ok=True)",
    "unlink": """
        pathlib.Path(B, 'no').unlink(missing_ok=True)
        pathlib.Path(B, 'a.txt').unlink()
        pathlib.Path(B, 'a.txt').unlink()
    """,
    "rename": """
        p(
            pathlib.Path(B, 'a.txt').rename(B + '/x') == pathlib.Path(B, 'x'),
            pathlib.Path(B, 'x').replace(B + '/m.py').read_text(),
        )
    """,
    "iterdir": "p(sorted(one.name for one in pathlib.Path(B).iterdir()))",
    "iterdir of a file": "list(pathlib.Path(B, 'a.txt').iterdir())",
    "glob": """
        p(
            sorted(one.name for one in pathlib.Path(B).glob('*.py')),
            sorted(map(str, pathlib.Path(B).glob('no/*'))),
        )
    """,
    "glob below": "p(sorted(str(one)[len(B):] for one in pathlib.Path(B).glob('*/*.py')))",
    "rglob": "p(sorted(str(one)[len(B):] for one in pathlib.Path(B).rglob('*.py')))",
    "rglob of all": "p(sorted(str(one)[len(B):] for one in pathlib.Path(B, 'pkg').rglob('*')))",
    "what a path is": """
        p(
            *(
                (one.is_dir(), one.is_file(), one.is_symlink(), one.exists())
                for one in (
                    pathlib.Path(B, name)
                    for name in ('pkg', 'a.txt', 'link', 'dangling', 'loop', 'no')
                )
            )
        )
    """,
    "links": """
        pathlib.Path(O, 'x').symlink_to(B + '/a.txt')
        pathlib.Path(O, 'y').hardlink_to(B + '/a.txt')
        p(
            pathlib.Path(O, 'x').read_text(),
            pathlib.Path(O, 'y').stat().st_nlink,
            pathlib.Path(O, 'x').readlink() == pathlib.Path(B, 'a.txt'),
        )
    """,
    "resolve": """
        p(
            *(
                str(pathlib.Path(B, one).resolve())[len(B) :]
                for one in ('link/sub.py', 'no/../a.txt', 'dangling')
            )
        )
    """,
    "resolve strictly": "pathlib.Path(B, 'no').resolve(strict=True)",
    "resolve a relative path": """
        os.chdir(B)
        p(
            str(pathlib.Path('link').resolve())[len(B) :],
            pathlib.Path.cwd() == pathlib.Path(B),
            str(pathlib.Path('x').absolute())[len(B) :],
        )
    """,
    "samefile": """
        p(pathlib.Path(B, 'link').samefile(B + '/pkg'))
        pathlib.Path(B, 'no').samefile(B)
    """,
    "chmod": """
        pathlib.Path(B, 'a.txt').chmod(0o604)
        p(oct(pathlib.Path(B, 'a.txt').stat().st_mode), pathlib.Path(B, 'a.txt').lstat().st_size)
    """,
    "open": """
        p(
            pathlib.Path(B, 'a.txt').open('rb').readline(),
            pathlib.Path(B, 'a.txt').open(newline='').read(),
        )
    """,
    "a folder as text": "pathlib.Path(B, 'pkg').read_text()",
    "rmdir": "pathlib.Path(B, 'pkg').rmdir()",
    "home": """
        os.environ['HOME'] = O
        p(
            pathlib.Path.home() == pathlib.Path(O),
            os.path.expanduser('~/x') == O + '/x',
            os.path.expandvars('$HOME/y') == O + '/y',
        )
    """,
    "names with other letters": """
        pathlib.Path(O, '\\u4e2d \\xe9').write_text('x')
        p(os.listdir(O), os.listdir(os.fsencode(O)) if False else '')
    """,
    "names that are not UTF-8": """
        open(os.fsdecode(b'/'.join([os.fsencode(O), b'\\xff'])), 'w').close()
        p(ascii(os.listdir(O)))
    """,
    "glob.glob": """
        p(
            sorted(one[len(B) :] for one in glob.glob(B + '/**/*.py', recursive=True)),
            sorted(glob.glob('*.txt', root_dir=B)),
        )
    """,
    "glob.glob of hidden files": """
        open(O + '/.x', 'w').close()
        p(glob.glob(O + '/*'), [one[len(O) :] for one in glob.glob(O + '/.*')])
    """,
    "glob.glob with brackets": """
        open(O + '/[x]', 'w').close()
        p(glob.glob(O + '/[x]'), len(glob.glob(glob.escape(O + '/[x]'))))
    """,
}

SHELL = {
    "copy": """
        p(
            shutil.copy(B + '/a.txt', O)[len(O) :],
            open(O + '/a.txt').read(),
            oct(os.stat(O + '/a.txt').st_mode),
        )
    """,
    "copy of a program": """
        os.chmod(B + '/a.txt', 0o755)
        shutil.copy(B + '/a.txt', O + '/x')
        shutil.copyfile(B + '/a.txt', O + '/y')
        p(oct(os.stat(O + '/x').st_mode), oct(os.stat(O + '/y').st_mode))
    """,
    "copy2": """
        os.utime(B + '/a.txt', (100, 200))
        shutil.copy2(B + '/a.txt', O + '/x')
        p(os.path.getmtime(O + '/x'))
    """,
    "copy onto itself": "shutil.copy(B + '/a.txt', B + '/a.txt')",
    "copy onto itself through a link": "shutil.copy(B + '/a.txt', B + '/file-link')",
    "copy of a folder": "shutil.copy(B + '/pkg', O + '/x')",
    "copy of what is missing": "shutil.copy(B + '/no', O)",
    "copy into a missing folder": "shutil.copy(B + '/a.txt', O + '/no/x')",
    "copy of a link": """
        shutil.copy(B + '/file-link', O + '/x', follow_symlinks=False)
        shutil.copy(B + '/file-link', O + '/y')
        p(os.path.islink(O + '/x'), os.path.islink(O + '/y'))
    """,
    "copyfileobj": """
        shutil.copyfileobj(open(B + '/a.txt', 'rb'), open(O + '/x', 'wb'), 2)
        p(open(O + '/x').read())
    """,
    "copymode and copystat": """
        os.chmod(B + '/a.txt', 0o741)
        os.utime(B + '/a.txt', (100, 200))
        shutil.copymode(B + '/a.txt', B + '/m.py')
        shutil.copystat(B + '/a.txt', B + '/empty')
        p(oct(os.stat(B + '/m.py').st_mode), os.path.getmtime(B + '/empty'))
    """,
    "copytree": """
        shutil.copytree(B, O + '/x', symlinks=True)
        p(sorted(os.listdir(O + '/x')), os.readlink(O + '/x/link'))
    """,
    "copytree through links": """
        os.remove(B + '/loop'), os.remove(B + '/dangling')
        shutil.copytree(B, O + '/x')
        p(os.path.islink(O + '/x/link'), os.listdir(O + '/x/ns'))
    """,
    "copytree of a link that leads nowhere": """
        os.remove(B + '/loop')
        shutil.copytree(B, O + '/x', ignore_dangling_symlinks=True)
        p(os.path.lexists(O + '/x/dangling'))
        shutil.copytree(B, O + '/y')
    """,
    "copytree onto what is there": """
        shutil.copytree(B + '/pkg', O, dirs_exist_ok=True)
        p(sorted(os.listdir(O)))
        shutil.copytree(B + '/pkg', O)
    """,
    "copytree with patterns": """
        shutil.copytree(B + '/pkg', O + '/x', ignore=shutil.ignore_patterns('*.py'))
        p(os.listdir(O + '/x'))
    """,
    "copytree with a copy of its own": """
        shutil.copytree(B + '/pkg', O + '/x', copy_function=os.link)
        p(os.stat(O + '/x/sub.py').st_nlink)
    """,
    "move": """
        p(
            shutil.move(B + '/a.txt', O + '/x')[len(O) :],
            open(O + '/x').read(),
            os.path.exists(B + '/a.txt'),
        )
    """,
    "move into a folder": """
        p(shutil.move(B + '/a.txt', O)[len(O) :])
        shutil.move(B + '/m.py', O + '/a.txt')
        p(open(O + '/a.txt').read())
    """,
    "move onto what is in a folder": """
        open(O + '/a.txt', 'w').close()
        shutil.move(B + '/a.txt', O)
    """,
    "move a folder": """
        shutil.move(B + '/pkg', O + '/x')
        p(sorted(os.listdir(O + '/x')))
        shutil.move(B + '/app', O + '/x')
        p(sorted(os.listdir(O + '/x')))
    """,
    "move a folder into itself": "shutil.move(B, B + '/pkg')",
    "move what is missing": "shutil.move(B + '/no', O)",
    "move a link": "shutil.move(B + '/link', O + '/x'); p(os.readlink(O + '/x'))",
    "rmtree": """
        shutil.rmtree(B + '/pkg')
        p(os.path.exists(B + '/pkg'), os.path.lexists(B + '/link'))
    """,
    "rmtree of a link": """
        try:
            shutil.rmtree(B + '/link')
        except OSError as error:
            p(type(error).__name__, error.errno, os.path.islink(B + '/link'))
    """,
    "rmtree of a file": "shutil.rmtree(B + '/a.txt')",
    "rmtree of what is missing": """
        shutil.rmtree(B + '/no', ignore_errors=True)
        shutil.rmtree(B + '/no')
    """,
    "rmtree with a handler": """
        found = set()
        shutil.rmtree(
            B + '/no',
            onerror=lambda function, path, error: found.add((path[len(B) :], error[0].__name__)),
        )
        p(found)
    """,
    "rmtree keeps what links lead to": """
        os.symlink(B + '/pkg', O + '/x')
        os.mkdir(O + '/y')
        os.rename(O + '/x', O + '/y/x')
        shutil.rmtree(O + '/y')
        p(sorted(os.listdir(B + '/pkg')))
    """,
    "disk_usage": """
        found = shutil.disk_usage(O)
        p(found.total >= found.used, type(found.free).__name__)
    """,
    "chown by number": "shutil.chown(B + '/a.txt', 12, 34); p(os.stat(B + '/a.txt').st_uid)",
    "which": """
        open(O + '/tool', 'w').close()
        os.chmod(O + '/tool', 0o755)
        p(shutil.which('tool', path=O)[len(O) :], shutil.which('no', path=O))
    """,
    "compare files": """
        shutil.copy(B + '/a.txt', O + '/x')
        p(
            filecmp.cmp(B + '/a.txt', O + '/x', shallow=False),
            filecmp.cmp(B + '/a.txt', B + '/m.py', shallow=False),
        )
    """,
    "compare folders": """
        shutil.copytree(B + '/pkg', O + '/x')
        os.remove(O + '/x/d.json')
        found = filecmp.dircmp(B + '/pkg', O + '/x')
        p(found.left_only, found.right_only, sorted(found.common))
    """,
}
