"""Counts the words or lines of raw texts: a step of the pipelines that the SDKs make here."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from whole import end_on_sigterm, write_whole

RAW = "/opt/ml/processing/input/raw"
CLEAN = "/opt/ml/processing/output/clean"


def main(
    input_paths: Mapping[str, str],
    output_paths: Mapping[str, str],
    environ_vars: Mapping[str, str],
    job_args: argparse.Namespace,
) -> None:
    texts = sorted(Path(input_paths["raw"]).glob("*.txt"))
    if not texts:
        raise FileNotFoundError(f"there is no *.txt in {input_paths['raw']}")
    counted = [text.read_text().split() for text in texts]
    unit = f"{environ_vars['UNIT']} {environ_vars['LEVEL']} {job_args.unit} {job_args.execution}"
    result = Path(output_paths["clean"]) / "counts.txt"
    write_whole(result, f"{unit}: {[len(words) for words in counted]}\n")


if __name__ == "__main__":
    end_on_sigterm()
    parser = argparse.ArgumentParser()
    parser.add_argument("--unit", required=True)
    parser.add_argument("--execution", required=True)
    try:
        main(
            {"raw": RAW},
            {"clean": CLEAN},
            {name: os.environ[name] for name in ("UNIT", "LEVEL")},
            parser.parse_args(),
        )
    except OSError as error:
        logging.exception("prepare failed: %s; put texts there", error)
        sys.exit(1)
