"""Waivers: promises that a step need not keep, each with the reason, for ever or up to a date."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

Reason = Annotated[str, Field(min_length=1)]
_REASON = TypeAdapter(Reason, config=ConfigDict(strict=True))


class Waiver(BaseModel):
    """A waiver up to a date: the reason, and the last day on which it counts."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True, strict=True)

    reason: Reason
    """Why the step need not keep the promise."""
    until: Annotated[datetime.date, Field(strict=False)]
    """The last day on which the waiver counts, as `2027-01-31`; a warning tells when it is over."""

    def __str__(self) -> str:
        """The waiver as reports show it."""
        return f"{self.reason} (until {self.until})"


def _read(value: Any, _handler: ValidatorFunctionWrapHandler) -> str | Waiver:
    """Read a mapping as a `Waiver` alone, so that errors are those of its keys."""
    if isinstance(value, Mapping):
        return Waiver.model_validate(dict(value))
    return value if isinstance(value, Waiver) else _REASON.validate_python(value)


# A plain text is the reason of a waiver without a date.
DeclaredWaiver = Annotated[Reason | Waiver, WrapValidator(_read)]


def expired(waivers: Mapping[str, str | Waiver], today: datetime.date) -> Mapping[str, Waiver]:
    """The waivers whose last day is over."""
    return {
        name: one for name, one in waivers.items() if isinstance(one, Waiver) and one.until < today
    }
