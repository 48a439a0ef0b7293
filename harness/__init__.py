"""Proves that an Amazon SageMaker step script keeps its contract.

    contract ─┐
              ├─> matrix ─> case ─> runner ─> outcome ─> judge ─> findings ─> reports
    suite  ───┘            (tree in)        (tree out)

Data flows from left to right. Each arrow is one plain value, each room a package, and each floor
stands on those below; `make lint` holds the imports to that.

    cli, pytest_plugin, suite            the doors: command line, pytest, what suites import
    pytest_parts                         options, collection, cases and fixtures of the plugin
    commands                             what each command does
    runs                                 steps, cases through a runner, workers, cache, parity
    runners | promises | report | lint   run a case; judge it; show it; look for problems
    | drafts                             of a script; draft its contract
    reading                              what a script does, without running it
    cases                                the matrix, its cases, what each must do
    worlds                               fake /opt/ml trees, types of jobs, model archives
    contracts                            what a step promises, in whichever form it is written
    files                                users' files, read so that errors name file, line and key
    errors, signals, old_names           the ground

One word for each thing that is not as it should be: a check of a promise yields a *breach*; with
its case it is a *finding*; findings with one cause are a *defect*. What runners do not agree on is
a *difference*. What lint finds in a script is a *problem*.
"""

from harness.old_names import install

install()
