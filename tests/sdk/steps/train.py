"""Writes its hyperparameters down as a model: a step of the pipelines that the SDKs make here."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from whole import end_on_sigterm, write_whole


def main(
    input_paths: Mapping[str, str],
    output_paths: Mapping[str, str],
    environ_vars: Mapping[str, str],
    job_args: argparse.Namespace,
) -> None:
    if not any(Path(input_paths["train"]).glob("*")):
        raise FileNotFoundError(f"the channel train, {input_paths['train']}, holds nothing")
    stored = json.loads(Path("/opt/ml/input/config/hyperparameters.json").read_text())
    decoded = json.loads(os.environ["SM_HPS"])
    given = {"epochs": job_args.epochs, "optimizer": job_args.optimizer}
    if (
        given != {"epochs": decoded["epochs"], "optimizer": decoded["optimizer"]}
        or "epochs" not in stored
    ):
        raise ValueError(f"the hyperparameters differ: {given}, {decoded}, {stored}")
    model = {**given, "batch-size": job_args.batch_size, "seed": environ_vars["SEED"]}
    write_whole(Path(output_paths["model"]) / "model.json", json.dumps(model))


if __name__ == "__main__":
    end_on_sigterm()
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--optimizer", required=True)
    parser.add_argument("--batch-size", type=int, required=True)
    try:
        main(
            {"train": os.environ.get("SM_CHANNEL_TRAIN", "/opt/ml/input/data/train")},
            {"model": os.environ["SM_MODEL_DIR"]},
            {"SEED": os.environ["SEED"]},
            parser.parse_args(),
        )
    except (OSError, ValueError) as error:
        logging.exception("train failed: %s; give it texts", error)
        sys.exit(1)
