"""Operations that import modules, and find their files."""

IMPORTS = {
    "a module": """
        sys.path.insert(0, B)
        import m

        p(m.x, m.__file__[len(B) :], m.__spec__.origin == m.__file__, m.__name__)
    """,
    "a missing module": "sys.path.insert(0, B); import no_such_module",
    "a missing name": "sys.path.insert(0, B); from m import no_such_name",
    "a missing module of a package": "sys.path.insert(0, B); import pkg.no_such_module",
    "a module that has a fault": """
        open(O + '/faulty.py', 'w').write('x = \\n')
        sys.path.insert(0, O)
        import faulty
    """,
    "a module that raises": """
        open(O + '/raising.py', 'w').write('def f():\\n    raise ValueError(1)\\n\\nf()\\n')
        sys.path.insert(0, O)
        try:
            import raising
        except ValueError:
            p(traceback.format_exc().replace(O, '').split('exec(')[-1].splitlines()[-5:])
    """,
    "a package": """
        sys.path.insert(0, B)
        import pkg.sub

        p(pkg.sub.z, [one[len(B) :] for one in pkg.__path__], pkg.sub.__package__)
    """,
    "a package by a name": """
        sys.path.insert(0, B)
        p(
            importlib.import_module('.sub', 'pkg').z,
            sorted(one for one in sys.modules if one.startswith('pkg')),
        )
    """,
    "a relative import": """
        os.mkdir(O + '/q')
        open(O + '/q/__init__.py', 'w').write('from .one import a')
        open(O + '/q/one.py', 'w').write('from . import two\\na = two.b')
        open(O + '/q/two.py', 'w').write('b = __name__')
        sys.path.insert(0, O)
        import q

        p(q.a)
    """,
    "a relative import from nowhere": """
        exec('from . import x', {'__name__': 'top', '__package__': ''})
    """,
    "modules that import each other": """
        open(O + '/one.py', 'w').write('import other\\na = 1')
        open(O + '/other.py', 'w').write('from one import a')
        sys.path.insert(0, O)
        import one
    """,
    "a folder without __init__.py": """
        sys.path.insert(0, B)
        import ns.inner, ns

        p(ns.inner.q, ns.__file__, [one[len(B) :] for one in ns.__path__])
    """,
    "a package in two folders": """
        os.mkdir(O + '/ns')
        open(O + '/ns/outer.py', 'w').write('r = 8')
        sys.path[:0] = [B, O]
        import ns.inner, ns.outer

        p(ns.inner.q, ns.outer.r, len(ns.__path__))
    """,
    "a module before a folder": "os.mkdir(O + '/m'); sys.path[:0] = [O, B]; import m; p(m.x)",
    "a package before a module": """
        os.mkdir(O + '/m')
        open(O + '/m.py', 'w').write('x = 2')
        open(O + '/m/__init__.py', 'w').write('x = 3')
        sys.path.insert(0, O)
        import m

        p(m.x)
    """,
    "the first of two folders": """
        open(O + '/m.py', 'w').write('x = 2')
        sys.path[:0] = [O, B]
        import m

        p(m.x)
    """,
    "a module that was written": """
        open(O + '/new.py', 'w').write('x = 4')
        sys.path.insert(0, O)
        importlib.invalidate_caches()
        import new

        p(new.x)
    """,
    "a module anew": """
        sys.path.insert(0, B)
        import m

        open(B + '/m.py', 'w').write('x = 22')
        p(importlib.reload(m).x, m.x)
    """,
    "a module by its file": """
        spec = importlib.util.spec_from_file_location('other_name', B + '/m.py')
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        p(module.x, module.__name__, spec.has_location, 'other_name' in sys.modules)
    """,
    "a module by a file that is missing": """
        spec = importlib.util.spec_from_file_location('other_name', B + '/no.py')
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
    """,
    "a loader": """
        p(
            importlib.machinery.SourceFileLoader('m', B + '/m.py').get_data(B + '/m.py'),
            importlib.machinery.SourceFileLoader('m', B + '/m.py').get_source('m'),
        )
    """,
    "a finder": """
        finder = importlib.machinery.FileFinder(
            B, (importlib.machinery.SourceFileLoader, ['.py'])
        )
        p(finder.find_spec('m').origin[len(B) :], finder.find_spec('no'))
    """,
    "where a module would be": """
        sys.path.insert(0, B)
        p(
            importlib.util.find_spec('pkg').origin[len(B) :],
            importlib.util.find_spec('no_such'),
            importlib.machinery.PathFinder.find_spec('m', [B]).origin[len(B) :],
        )
    """,
    "a compiled module": """
        py_compile.compile(B + '/m.py', O + '/compiled.pyc', doraise=True)
        sys.path.insert(0, O)
        import compiled

        p(compiled.x)
        os.remove(O + '/compiled.pyc')
    """,
    "a module in a zip": """
        with zipfile.ZipFile(O + '/x.zip', 'w') as file:
            file.writestr('in_zip.py', 'x = 5')
            file.writestr('pack/__init__.py', '')
            file.writestr('pack/data.txt', 'text')
        sys.path.insert(0, O + '/x.zip')
        import in_zip, pack

        p(
            in_zip.x,
            in_zip.__file__[len(O) :],
            pkgutil.get_data('pack', 'data.txt'),
            importlib.resources.read_text('pack', 'data.txt'),
        )
        os.remove(O + '/x.zip')
    """,
    "a script by its path": """
        p(runpy.run_path(B + '/m.py')['x'], runpy.run_path(B + '/app', run_name='__main__')['y'])
    """,
    "a script by its name": """
        sys.path.insert(0, B)
        p(runpy.run_module('pkg.sub')['z'], runpy.run_module('app')['y'])
    """,
    "a script in a zip": """
        zipapp.create_archive(B + '/app', O + '/x.pyz')
        p(runpy.run_path(O + '/x.pyz')['y'])
        os.remove(O + '/x.pyz')
    """,
    "a script that is missing": "runpy.run_path(B + '/no.py')",
    "a folder that is no script": "runpy.run_path(B + '/pkg')",
    "modules of folders": "p(sorted((one.name, one.ispkg) for one in pkgutil.iter_modules([B])))",
    "modules of packages": """
        sys.path.insert(0, B)
        import pkg

        p([one.name for one in pkgutil.walk_packages(pkg.__path__, 'pkg.')])
    """,
    "modules of a folder that is missing": "p(list(pkgutil.iter_modules([B + '/no'])))",
    "data of a package": """
        sys.path.insert(0, B)
        p(
            pkgutil.get_data('pkg', 'd.json'),
            importlib.resources.files('pkg').joinpath('d.json').read_text(),
        )
        pkgutil.get_data('pkg', 'no')
    """,
    "files of a package": """
        sys.path.insert(0, B)
        p(
            sorted(one.name for one in importlib.resources.files('pkg').iterdir()),
            importlib.resources.is_resource('pkg', 'd.json'),
        )
    """,
    "files of a folder without __init__.py": """
        sys.path.insert(0, B)
        p(importlib.resources.files('ns').joinpath('inner.py').read_text())
    """,
    "source code": """
        sys.path.insert(0, B)
        import m

        p(inspect.getsource(m), inspect.getsourcefile(m)[len(B) :], inspect.getmodule(m) is m)
    """,
    "source code of a function": """
        open(O + '/fun.py', 'w').write('def f():\\n    return 1\\n')
        sys.path.insert(0, O)
        import fun

        p(inspect.getsource(fun.f), fun.f.__code__.co_firstlineno)
    """,
    "a folder of packages": """
        open(O + '/x.pth', 'w').write(B + '\\n')
        site.addsitedir(O)
        p(O in sys.path, B in sys.path)
        import m

        p(m.x)
    """,
    "a package's metadata": """
        os.mkdir(O + '/thing-1.2.dist-info')
        open(O + '/thing-1.2.dist-info/METADATA', 'w').write('Name: thing\\nVersion: 1.2\\n')
        sys.path.insert(0, O)
        p(
            importlib.metadata.version('thing'),
            [one.version for one in importlib.metadata.distributions(path=[O])],
        )
        importlib.metadata.version('no-such-package')
    """,
    "code that is run": """
        exec(compile(open(B + '/m.py').read(), B + '/m.py', 'exec'))
        p(x if False else open(B + '/m.py').read())
    """,
    "a module that is made": """
        module = types.ModuleType('made')
        sys.modules['made'] = module
        module.x = 6
        import made

        p(made.x)
        del sys.modules['made']
    """,
    "a module from a relative folder": """
        os.chdir(B)
        sys.path.insert(0, '.')
        import m

        p(m.x)
        sys.path[0] = 'pkg'
        import sub

        p(sub.z)
    """,
    "a module of the current folder": "os.chdir(B); sys.path.insert(0, ''); import m; p(m.x)",
    "a loader that loads": """
        from importlib.machinery import SourceFileLoader

        m = SourceFileLoader('m', B + '/m.py').load_module()
        print(m.x)
    """,
    "a file of a package": """
        import sys

        sys.path.insert(0, B)
        import importlib.resources as r

        with r.as_file(r.files('pkg').joinpath('d.json')) as p:
            print(p.read_text())
    """,
    "a package by its file": """
        import importlib.util as u, sys

        file = B + '/pkg/__init__.py'
        s = u.spec_from_file_location('pk', file, submodule_search_locations=[B + '/pkg'])
        m = u.module_from_spec(s)
        sys.modules['pk'] = m
        s.loader.exec_module(m)
        import pk.sub

        print(pk.sub.z)
    """,
}
