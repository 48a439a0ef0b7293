"""What the suite of dummy_training takes for the level of a line, whatever its form."""

from __future__ import annotations

import pytest

from dummy_training.cases.expected import kept

FOLDER = "/opt/ml/input/data/hyperparameters_s3_uri"
(IGNORED,) = (one for one in kept((), ignored=FOLDER).log if one.key == "ignored")
SAID = f"{FOLDER}/hyperparameters.json is IGNORED"


@pytest.mark.parametrize(
    "line",
    [
        "WARNING:root:{}",
        "[WRN] {}",
        "W1127 03:51:33.123 4321 step.py:7] {}",
        "11-27 03:51:33.123  4321  4321 W step: {}",
        "2025-11-27T03:51:33.1Z E {}",
        "2025-11-27 03:51:33 [W] {}",
        "<4>{}",
        "<132>1 2025-11-27T03:51:33Z host step - - - {}",
        '{{"level": 40, "msg": "{}"}}',
        '{{"short_message": "{}", "level": 4}}',
        '{{"SeverityNumber": 13, "Body": "{}"}}',
        "PRIORITY=3 MESSAGE={}",
        "step.py:12: UserWarning: {}",
    ],
)
def test_a_warning_is_one_in_every_form(line: str) -> None:
    assert IGNORED.is_in(f"earlier\n{line.format(SAID)}\nlater")


@pytest.mark.parametrize(
    "line",
    [
        "{}",
        "INFO: {}",
        "I1127 03:51:33.123 4321 step.py:7] {}",
        "2025-11-27 03:51:33 [I] E is no level: {}",
        "<6>{}",
        "<134>1 2025-11-27T03:51:33Z host step - - - {}",
        '{{"level": 20, "msg": "{}"}}',
        '{{"short_message": "{}", "level": 6}}',
        '{{"SeverityNumber": 9, "Body": "{}"}}',
        "{} for 4 reasons, one W",
    ],
)
def test_information_is_no_warning(line: str) -> None:
    assert not IGNORED.is_in(f"WARNING: another\n{line.format(SAID)}\nW: another")
