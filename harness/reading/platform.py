"""What a script has from the platform that it runs on, and needs no word of a contract."""

from __future__ import annotations

import re
import sys

from harness.reading.values import Argument

# The standard library of all versions of Python.
STANDARD_LIBRARY = {
    *sys.stdlib_module_names,
    *("__main__", "_typeshed", "annotationlib", "compression", "tomllib"),
    *("aifc", "asynchat", "asyncore", "audioop", "cgi", "cgitb", "chunk", "crypt", "distutils"),
    *("dummy_threading", "formatter", "imghdr", "imp", "lib2to3", "mailcap", "msilib", "nis"),
    *("nntplib", "ossaudiodev", "parser", "pipes", "smtpd", "sndhdr", "spwd", "sunau", "symbol"),
    *("telnetlib", "uu", "xdrlib"),
}
# Set by the service, the toolkits, launchers of processes and the system; or read by libraries and
# by the tools around them: not set by the definition of the step.
SET_BY_PLATFORM = re.compile(
    r"(SM|SAGEMAKER|SMDATAPARALLEL|AWS|EC2|ECS|EKS|KUBERNETES|PYTHON|LC|LD|XDG|PIP|CONDA|JAVA|SPARK"
    r"|HADOOP|YARN|PYSPARK|TRAINING_JOB|PROCESSING_JOB|TRANSFORM_JOB|CUDA|CUDNN|NVIDIA|NCCL|GLOO"
    r"|OMP|OMPI|OPAL|PMI|PMIX|MPI|SLURM|MKL|KMP|OPENBLAS|BLIS|VECLIB|NUMEXPR|NUMBA|TF|TFDS|TENSORFLOW"
    r"|XLA|TORCH|PYTORCH|TORCHELASTIC|PL|HF|HUGGINGFACE|TRANSFORMERS|DATASETS|TOKENIZERS|SENTENCE"
    r"|ACCELERATE|DEEPSPEED|FSDP|NEURON|FI|RDMAV|HOROVOD|HOROVOD_\w+|DMLC|PS|MXNET|KERAS|JAX|LIGHTGBM"
    r"|XGBOOST|RABIT|NLTK|SPACY|MPL|MATPLOTLIB|DASK|RAY|BITSANDBYTES|JOBLIB|LOKY|SKLEARN|ONNX|ORT|TRITON|CUPY|OPENCV|GDAL|PROJ|ARROW|SMDEBUG|SMPROFILER"
    r"|CUBLAS|MALLOC|GRPC|S3)_\w+"
    r"|PYTHON\w+|MPLBACKEND|MPLCONFIGDIR|DISPLAY|JAVA_HOME|CI|DEBUGPY\w*|COLUMNS|LINES|EDITOR"
    r"|PATH|HOME|LANG|LANGUAGE|USER|USERNAME|TZ|TMPDIR|TEMP|TMP|HOSTNAME|PWD|SHELL|TERM|LOGNAME"
    r"|RANK|LOCAL_RANK|WORLD_SIZE|LOCAL_WORLD_SIZE|NODE_RANK|GROUP_RANK|ROLE_RANK|MASTER_ADDR"
    r"|MASTER_PORT|NPROC_PER_NODE|NNODES|USE_SMDEBUG|TF_CONFIG|PROTOCOL_BUFFERS\w*|NO_COLOR"
    r"|(?i:(ALL|FTP|HTTPS?|NO)_PROXY)|REQUESTS_CA_BUNDLE|SSL_CERT_\w+|CURL_CA_BUNDLE|OLDPWD|SHLVL"
)
# Arguments that launchers and containers add themselves.
_ADDED = re.compile(r"model-dir|local[-_]rank|sm-\w+|help|version|h")
_ROOT = "/opt/ml"


def names_platform_path(text: object) -> bool:
    """Whether a default is a path of the platform."""
    return isinstance(text, str) and text.startswith(_ROOT)


def is_of_platform(one: Argument) -> bool:
    """Whether an argument has its value from the platform: a variable, or a path, by default."""
    # A version that is given is no question for that of the script.
    is_given = one.dest == "version" and one.default is not None
    is_added = _ADDED.fullmatch(normalised(one.dest)) is not None and not is_given
    if is_added or normalised(one.names[-1]) == "model-dir":
        return True
    if one.variables and all(name.startswith("SM_") for name in one.variables):
        return True
    return names_platform_path(one.default)


def normalised(name: str) -> str:
    """A name of an argument without dashes before it."""
    return name.lstrip("-").rstrip("=:").replace("_", "-")
