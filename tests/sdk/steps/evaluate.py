"""Lists what a model holds: a step of the pipelines that the SDKs make here."""

from __future__ import annotations

import argparse
import logging
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path

from whole import end_on_sigterm, write_whole


def main(
    input_paths: Mapping[str, str],
    output_paths: Mapping[str, str],
    environ_vars: Mapping[str, str],
    job_args: argparse.Namespace,
) -> None:
    with tarfile.open(Path(input_paths["model"]) / "model.tar.gz") as archive:
        names = archive.getnames()
    report = Path(output_paths["report"]) / "report.txt"
    write_whole(report, f"{job_args.threshold}: {names}\n")


if __name__ == "__main__":
    end_on_sigterm()
    parser = argparse.ArgumentParser()
    parser.add_argument("--threshold", type=float, required=True)
    try:
        main(
            {"model": "/opt/ml/processing/input/model"},
            {"report": "/opt/ml/processing/output/report"},
            {},
            parser.parse_args(),
        )
    except OSError as error:
        logging.exception("evaluate failed: %s; put model.tar.gz there", error)
        sys.exit(1)
