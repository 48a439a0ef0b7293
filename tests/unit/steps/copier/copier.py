"""A tiny step: copies a text."""

import signal
import sys
import traceback
from pathlib import Path

TEXT = Path("/opt/ml/processing/input/text/text.txt")
COPY = Path("/opt/ml/processing/output/copy/text.txt")


def main() -> None:
    """Copy the text whole or not at all."""
    text = TEXT.read_bytes()
    COPY.parent.mkdir(parents=True, exist_ok=True)
    draft = COPY.with_suffix(".part")
    try:
        draft.write_bytes(text)
        draft.replace(COPY)
    finally:
        if draft.exists():
            draft.unlink()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    try:
        main()
    except OSError:
        traceback.print_exc()
        sys.stderr.write("Mend what is named above: the channel text must hold text.txt.\n")
        sys.exit(1)
