"""A tiny step: copies a text."""

import sys
import traceback
from pathlib import Path


def main() -> None:
    """Copy the text, or say what is missing."""
    try:
        text = Path("/opt/ml/processing/input/text/text.txt").read_bytes()
    except FileNotFoundError:
        traceback.print_exc()
        sys.stderr.write("Put text.txt into the channel text.\n")
        sys.exit(1)
    Path("/opt/ml/processing/output/copy/text.txt").write_bytes(text)


if __name__ == "__main__":
    main()
