"""Writes a model without hyperparameters, as a training step would."""

import io
import tarfile

with tarfile.open("/opt/ml/processing/output/trained/model.tar.gz", "w:gz") as archive:
    member = tarfile.TarInfo("model.pth")
    member.size = 4096
    archive.addfile(member, io.BytesIO(bytes(4096)))
