"""Reads the hyperparameters of the packaged model by their exact name, and makes a payload."""

import json
import tarfile
from pathlib import Path

PACKAGED = "/opt/ml/processing/input/packaged_model/model.tar.gz"

with tarfile.open(PACKAGED, "r:gz") as archive:
    stream = archive.extractfile("hyperparameters.json")
    hyperparameters = json.load(stream)
    names = sorted(archive.getnames())
with Path("/opt/ml/processing/output/payload/payload.json").open("w") as out:
    json.dump({"hyperparameters": hyperparameters, "names": names}, out)
