"""A badge: the document of a shields.io endpoint, and the same as an image."""

from __future__ import annotations

import json
from html import escape

from harness.report import Run

_LABEL = "contract"
_COLORS = {"brightgreen": "#3a7d0a", "red": "#c32f27"}
# About the width of a character of 11 pixels, and the space on both sides of a text, in pixels.
_CHARACTER, _MARGIN = 6.6, 12


def badge_json(run: Run) -> str:
    """The document that https://shields.io/badges/endpoint-badge reads."""
    message, color = _verdict(run)
    document = {"schemaVersion": 1, "label": _LABEL, "message": message, "color": color}
    return json.dumps(document) + "\n"


def badge_svg(run: Run) -> str:
    """The badge as an SVG image."""
    message, color = _verdict(run)
    left, right = (round(len(one) * _CHARACTER + _MARGIN) for one in (_LABEL, message))
    title = escape(f"{_LABEL}: {message}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img" '
        f'aria-label="{title}"><title>{title}</title>'
        f'<rect width="{left}" height="20" fill="#555"/>'
        f'<rect x="{left}" width="{right}" height="20" fill="{_COLORS[color]}"/>'
        '<g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,sans-serif" '
        f'font-size="11"><text x="{left / 2}" y="14">{_LABEL}</text>'
        f'<text x="{left + right / 2}" y="14">{escape(message)}</text></g></svg>\n'
    )


def _verdict(run: Run) -> tuple[str, str]:
    """The text of the badge, and its color."""
    passed, failed, unproven = (
        sum(map(number, run.summaries))
        for number in (
            lambda one: one.number_passed,
            lambda one: one.number_failed,
            lambda one: len(one.unproven),
        )
    )
    more = f", {unproven} not proven" if unproven else ""
    if run.conforms:
        return f"{passed} cases passed{more}", "brightgreen"
    if run.errors:
        return "not proved", "red"
    return f"{failed} of {passed + failed} cases failed{more}", "red"
