"""Copies a file; before that, a number of calls that is not the same from run to run."""

import logging
import os
import time

logging.basicConfig(format="%(levelname)s: %(message)s")


def warm_up():
    """As imports, caches and polls do: a few calls more or less each time."""
    until = time.monotonic() + 0.05
    while time.monotonic() < until:
        len("x")


def main():
    warm_up()
    with open("/opt/ml/processing/input/data/data.csv") as stream:
        rows = stream.read()
    part = "/opt/ml/processing/output/copy/.data.csv"
    try:
        with open(part, "w") as stream:
            stream.write(rows)
        os.replace(part, "/opt/ml/processing/output/copy/data.csv")
    except BaseException:
        if os.path.exists(part):
            os.unlink(part)
        raise


try:
    main()
except Exception as error:
    logging.exception("error: cannot copy: %s", error)
    raise SystemExit(1)
