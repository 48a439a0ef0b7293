"""What is collected: the cases of a suite, or of a contract whose suite is derived."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.pytest_parts.items import CaseItem
from harness.pytest_parts.runners import CHOICES, runner_options

if TYPE_CHECKING:
    from harness.contracts.loaders import Source

_CONTRACT, _SUITE = "contract.yaml", "conformance.py"
_FORMS = (".step.yaml", ".pipeline.json")


def _contract_of(path: Path) -> Path | None:
    """The contract whose cases a file stands for: its suite, else the contract itself.

    None for any other file. This is asked for each file that pytest sees, and reads none.
    """
    if path.name == _SUITE:
        contract = path.with_name(_CONTRACT)
        return contract if contract.is_file() else None
    if path.name == _CONTRACT:
        return None if path.with_name(_SUITE).is_file() else path
    return path if path.name.endswith(_FORMS) else None


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect the cases of a suite, or of a contract whose suite is derived."""
    if _contract_of(file_path) is None:
        return None
    return StepFile.from_parent(parent, path=file_path)


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> Any:
    """Prevent pytest from importing a suite as a test module as well."""
    is_step = _contract_of(module_path) is not None
    return _EmptyModule.from_parent(parent, path=module_path) if is_step else None


class _EmptyModule(pytest.Module):
    def collect(self) -> Iterable[pytest.Item]:
        return ()


class StepFile(pytest.File):
    """A step's suite or contract, which collects its cases."""

    def collect(self) -> Iterator[CaseItem]:
        """One item per case in the order of the matrix, then a skipped one per unproven case.

        Of a file with several steps the name of each item begins with that of its step.
        """
        from harness.contracts import loaders
        from harness.errors import HarnessError

        contract = _contract_of(self.path)
        assert contract is not None
        try:
            sources = [one for one in loaders.find_steps(contract) if not one.unfit]
            for source in sources:
                if source.error is not None:
                    raise source.error
                yield from self._items(source, f"{source.step}:" if len(sources) > 1 else "")
        except HarnessError as error:
            raise self.CollectError(str(error)) from None
        except ImportError as error:
            raise self.CollectError(
                f"{error}\na file of yours may hide a package of that name: "
                "rename it, or run `pytest` in place of `python -m pytest`"
            ) from None

    def _items(self, source: Source, prefix: str) -> Iterator[CaseItem]:
        from harness.files.settings import settings
        from harness.runners.fake.fork_server import start_template
        from harness.runs.choice import choose
        from harness.runs.covering import check_number
        from harness.runs.faults import Faults, find_faults_with
        from harness.runs.step import StepRef, load

        ref = StepRef(
            self.path.parent if self.path.name == _SUITE else source.path,
            step=source.step,
            level=self.config.getoption("--harness-level"),
            default_level=settings(self.config.rootpath).level,
            timeout=self.config.getoption("--harness-timeout"),
        )
        if self.config.getoption("--harness-runner") in (None, "fake"):
            start_template()
        step = load(ref)
        name = step.contract.name
        check_number(name, len(step.matrix.ids), "pytest runs each; `harness check` need not")
        choice = choose(ref, runner_options(self.config))
        faults = Faults()
        if self.config.getoption("--harness-faults"):
            choice, faults = find_faults_with(choice)
        self.config.stash[CHOICES][ref] = choice
        unproven = {**step.matrix.unproven, **faults.unproven}
        job = step.matrix.start.tree.job
        lines = _lines_of_cases(self.path)
        for case_id in (*step.matrix.ids, *faults.ids, *unproven):
            item = CaseItem.from_parent(
                self, name=f"{prefix}{case_id}", ref=ref, case_id=case_id, line=lines(case_id)
            )
            choices = dict(one.partition("=")[::2] for one in case_id.split(","))
            item.add_marker(
                pytest.mark.harness(
                    step=name,
                    level=step.level,
                    job=choices.get("job", job.name if job else None),
                    circumstance=choices.get("circumstance"),
                )
            )
            if reason := unproven.get(case_id):
                item.add_marker(pytest.mark.skip(reason=f"not proven: {reason}"))
            yield item


def _lines_of_cases(path: Path) -> Callable[[str], int]:
    """The line of a file, from 0, that says most of a case, by the case's id.

    In a suite it is that of a special case's name, else that of what cases must do.
    """
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()

    def first(*texts: str) -> int:
        return next((at for at, line in enumerate(lines) if any(one in line for one in texts)), 0)

    usual = first("def expect(", "def suite(") if path.suffix == ".py" else 0

    def line_of(case_id: str) -> int:
        axis, _, name = case_id.partition("=")
        return first(f'"{name}"', f"'{name}'") or usual if axis == "special" else usual

    return line_of
