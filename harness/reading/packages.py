"""Which packages bring which modules: a kept list, and what is installed beside the harness.

Only names that differ are kept. A package whose name is that of its module with `python-`, `py` or
`-python` around it is found by that rule.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib import metadata

_MOST_STEPS = 40
# Module → packages.
PACKAGES: Mapping[str, tuple[str, ...]] = {
    "Bio": ("biopython",),
    "Crypto": ("pycryptodome", "pycrypto"),
    "Cryptodome": ("pycryptodomex",),
    "IPython": ("ipython",),
    "Levenshtein": ("levenshtein", "python-levenshtein"),
    "MySQLdb": ("mysqlclient",),
    "OpenSSL": ("pyopenssl",),
    "PIL": ("pillow", "pillow-simd"),
    "absl": ("absl-py",),
    "apex": ("nvidia-apex",),
    "antlr4": ("antlr4-python3-runtime",),
    "apache_beam": ("apache-beam",),
    "attr": ("attrs",),
    "boto": ("boto",),
    "botocore": ("botocore", "boto3"),
    "bs4": ("beautifulsoup4",),
    "bson": ("pymongo",),
    "clip": ("clip", "openai-clip"),
    "cairosvg": ("cairosvg",),
    "catboost": ("catboost",),
    "clickhouse_driver": ("clickhouse-driver",),
    "community": ("python-louvain",),
    "cv2": (
        *("opencv-python", "opencv-python-headless"),
        *("opencv-contrib-python", "opencv-contrib-python-headless"),
    ),
    "dateutil": ("python-dateutil",),
    "dns": ("dnspython",),
    "docx": ("python-docx",),
    "dotenv": ("python-dotenv",),
    "editdistance": ("editdistance",),
    "edgar": ("edgartools",),
    "efficientnet_pytorch": ("efficientnet-pytorch",),
    "faiss": ("faiss-cpu", "faiss-gpu"),
    "fitz": ("pymupdf",),
    "flash_attn": ("flash-attn",),
    "gi": ("pygobject",),
    "git": ("gitpython",),
    "gluonts": ("gluonts",),
    "google": ("protobuf",),
    "googleapiclient": ("google-api-python-client",),
    "grpc": ("grpcio",),
    "grpc_status": ("grpcio-status",),
    "grpc_tools": ("grpcio-tools",),
    "gym": ("gym", "gymnasium"),
    "gridfs": ("pymongo",),
    "haystack": ("haystack-ai", "farm-haystack"),
    "hydra": ("hydra-core",),
    "imblearn": ("imbalanced-learn",),
    "jose": ("python-jose",),
    "jwt": ("pyjwt",),
    "jpype": ("jpype1",),
    "kafka": ("kafka-python", "kafka-python-ng"),
    "ldap3": ("ldap3",),
    "lightning": ("lightning", "pytorch-lightning"),
    "lightning_fabric": ("lightning", "pytorch-lightning", "lightning-fabric"),
    "llama_index": ("llama-index", "llama-index-core"),
    "magic": ("python-magic",),
    "markdown": ("markdown",),
    "memcache": ("python-memcached",),
    "mpl_toolkits": ("matplotlib",),
    "multipart": ("python-multipart", "multipart"),
    "mmcv": ("mmcv", "mmcv-full"),
    "mx": ("mxnet",),
    "nacl": ("pynacl",),
    "onnxruntime": ("onnxruntime", "onnxruntime-gpu"),
    "osgeo": ("gdal",),
    "paho": ("paho-mqtt",),
    "past": ("future",),
    "pkg_resources": ("setuptools",),
    "prophet": ("prophet",),
    "psycopg2": ("psycopg2-binary",),
    "pyarrow": ("pyarrow",),
    "pycocotools": ("pycocotools",),
    "pydantic_settings": ("pydantic-settings",),
    "pylab": ("matplotlib",),
    "pynvml": ("nvidia-ml-py", "pynvml", "nvidia-ml-py3"),
    "pypdf": ("pypdf", "pypdf2"),
    "PyPDF2": ("pypdf2",),
    "pythonjsonlogger": ("python-json-logger",),
    "pytorch_lightning": ("pytorch-lightning", "lightning"),
    "pywt": ("pywavelets",),
    "rest_framework": ("djangorestframework",),
    "ruamel": ("ruamel.yaml",),
    "sagemaker_training": ("sagemaker-training",),
    "sagemaker_containers": ("sagemaker-containers",),
    "sagemaker_inference": ("sagemaker-inference",),
    "segmentation_models_pytorch": ("segmentation-models-pytorch",),
    "serial": ("pyserial",),
    "setuptools": ("setuptools",),
    "skimage": ("scikit-image",),
    "sklearn": ("scikit-learn", "scikit-learn-intelex"),
    "sklearnex": ("scikit-learn-intelex",),
    "sksurv": ("scikit-survival",),
    "skopt": ("scikit-optimize",),
    "scikitplot": ("scikit-plot",),
    "slack": ("slackclient", "slack-sdk"),
    "slugify": ("python-slugify",),
    "smart_open": ("smart-open",),
    "smdebug": ("smdebug", "sagemaker-debugger"),
    "smdistributed": ("smdistributed-dataparallel", "smdistributed-modelparallel"),
    "snappy": ("python-snappy",),
    "snowflake": ("snowflake-connector-python", "snowflake-snowpark-python"),
    "socks": ("pysocks",),
    "sounddevice": ("sounddevice",),
    "sqlalchemy": ("sqlalchemy",),
    "stable_baselines3": ("stable-baselines3",),
    "telegram": ("python-telegram-bot",),
    "tensorflow": (
        *("tensorflow", "tensorflow-cpu", "tensorflow-gpu", "tensorflow-macos", "intel-tensorflow"),
        "tensorflow-intel",
    ),
    "tensorflow_addons": ("tensorflow-addons",),
    "tensorflow_hub": ("tensorflow-hub",),
    "tensorflow_io": ("tensorflow-io",),
    "tlz": ("toolz", "cytoolz"),
    "torch_geometric": ("torch-geometric", "pyg"),
    "torch_xla": ("torch-xla", "torch-neuronx"),
    "typing_extensions": ("typing-extensions",),
    "umap": ("umap-learn",),
    "usb": ("pyusb",),
    "vowpalwabbit": ("vowpalwabbit",),
    "websocket": ("websocket-client",),
    "win32api": ("pywin32",),
    "whisper": ("openai-whisper",),
    "wx": ("wxpython",),
    "xgboost": ("xgboost", "xgboost-cpu", "py-xgboost"),
    "yaml": ("pyyaml",),
    "zmq": ("pyzmq",),
}
# Packages that a package always brings: package → packages.
BRINGS: Mapping[str, tuple[str, ...]] = {
    "accelerate": ("torch", "numpy", "huggingface-hub", "safetensors", "pyyaml", "psutil"),
    "autogluon": ("pandas", "numpy", "scikit-learn", "autogluon-tabular"),
    "awswrangler": ("pandas", "numpy", "pyarrow", "boto3"),
    "boto3": ("botocore", "s3transfer", "jmespath", "python-dateutil", "urllib3"),
    "botocore": ("jmespath", "python-dateutil", "urllib3"),
    "catboost": ("numpy", "pandas", "scipy", "matplotlib", "plotly", "graphviz"),
    "dask": ("click", "cloudpickle", "fsspec", "toolz", "pyyaml"),
    "datasets": ("pyarrow", "pandas", "numpy", "fsspec", "requests", "tqdm", "huggingface-hub"),
    "diffusers": ("numpy", "pillow", "requests", "huggingface-hub", "safetensors"),
    "distributed": ("dask", "click", "tornado", "cloudpickle", "msgpack"),
    "evaluate": ("datasets", "pandas", "numpy", "tqdm", "requests"),
    "fastai": ("torch", "torchvision", "fastcore", "pandas", "scipy", "scikit-learn", "matplotlib"),
    "flask": ("werkzeug", "jinja2", "click", "itsdangerous"),
    "gensim": ("numpy", "scipy", "smart-open"),
    "geopandas": ("pandas", "numpy", "shapely", "pyproj"),
    "gluonts": ("numpy", "pandas", "pydantic", "tqdm", "toolz"),
    "imbalanced-learn": ("scikit-learn", "numpy", "scipy", "joblib"),
    "keras": ("numpy", "h5py"),
    "lightgbm": ("numpy", "scipy"),
    "lightning": ("torch", "torchmetrics", "pytorch-lightning", "numpy", "tqdm", "pyyaml"),
    "matplotlib": ("numpy", "pillow", "python-dateutil", "pyparsing", "packaging"),
    "mlflow": ("pandas", "numpy", "scikit-learn", "scipy", "pyyaml", "requests", "matplotlib"),
    "pandas": ("numpy", "python-dateutil", "pytz"),
    "peft": ("torch", "transformers", "accelerate", "numpy", "safetensors"),
    "polars": ("polars-lts-cpu",),
    "prophet": ("pandas", "numpy", "matplotlib", "cmdstanpy", "tqdm"),
    "pyarrow": ("numpy",),
    "pydantic-settings": ("pydantic", "python-dotenv"),
    "pydantic": ("pydantic-core", "typing-extensions"),
    "pyspark": ("py4j",),
    "pytorch-lightning": (
        "torch",
        "torchmetrics",
        "numpy",
        "tqdm",
        "pyyaml",
        "lightning-utilities",
    ),
    "ray": ("click", "filelock", "jsonschema", "msgpack", "pyyaml", "requests"),
    "requests": ("urllib3", "certifi", "idna", "charset-normalizer"),
    "sagemaker": ("boto3", "numpy", "pandas", "protobuf", "pyyaml", "requests", "tqdm", "attrs"),
    "scikit-image": ("numpy", "scipy", "pillow", "networkx", "imageio"),
    "scikit-learn": ("numpy", "scipy", "joblib", "threadpoolctl"),
    "scipy": ("numpy",),
    "seaborn": ("matplotlib", "pandas", "numpy"),
    "sentence-transformers": ("transformers", "torch", "numpy", "scikit-learn", "tqdm", "scipy"),
    "setfit": ("sentence-transformers", "datasets"),
    "shap": ("numpy", "scipy", "scikit-learn", "pandas", "tqdm", "numba"),
    "spacy": ("thinc", "numpy", "tqdm", "requests", "pydantic", "typer"),
    "statsmodels": ("numpy", "scipy", "pandas", "patsy"),
    "tensorflow": ("numpy", "keras", "protobuf", "h5py", "absl-py", "tensorboard", "grpcio"),
    "torch": ("typing-extensions", "sympy", "networkx", "jinja2", "fsspec", "filelock", "numpy"),
    "torchvision": ("torch", "numpy", "pillow"),
    "torchaudio": ("torch",),
    "transformers": (
        *("numpy", "huggingface-hub", "tokenizers", "requests", "tqdm", "pyyaml", "regex"),
        *("safetensors", "filelock", "packaging"),
    ),
    "trl": ("torch", "transformers", "accelerate", "datasets"),
    "typer": ("click", "rich"),
    "umap-learn": ("numpy", "scipy", "scikit-learn", "numba"),
    "xgboost": ("numpy", "scipy"),
}
# What pandas reads and writes with another package: the end of the method's name → packages.
ENGINES: Mapping[str, tuple[str, ...]] = {
    "parquet": ("pyarrow", "fastparquet"),
    "feather": ("pyarrow",),
    "orc": ("pyarrow",),
    "excel": ("openpyxl", "xlrd", "xlsxwriter", "calamine", "odfpy", "pyxlsb"),
    "hdf": ("tables",),
    "spss": ("pyreadstat",),
    "gbq": ("pandas-gbq",),
    "markdown": ("tabulate",),
    "xarray": ("xarray",),
}
# Namespaces of several packages: google-cloud-storage is imported as google.cloud.storage.
NAMESPACES = (
    *("azure", "google", "opentelemetry", "ruamel", "snowflake", "autogluon", "aws_cdk", "zope"),
    *("backports", "jaraco", "databricks", "airflow", "keras_core", "smdistributed", "nvidia"),
)


def canonical(name: str) -> str:
    """The name of a package as indexes compare it, without its version."""
    bare = re.split(r"[\s<>=!~\[;@(]", name.strip(), maxsplit=1)[0]
    return re.sub(r"[-_.]+", "-", bare).lower()


def packages_of(module: str) -> tuple[str, ...]:
    """The packages that bring a module, the usual one first."""
    return PACKAGES.get(module, (module,))


def engines_of(method: str) -> tuple[str, ...]:
    """The packages of which pandas needs one for a method such as `read_parquet`."""
    verb, _, form = method.partition("_")
    return ENGINES.get(form, ()) if verb in ("read", "to") else ()


def with_all_brought(packages: Iterable[str]) -> frozenset[str]:
    """The packages, and those that they always bring."""
    found: set[str] = set()
    pending = [canonical(one) for one in packages]
    while pending and len(found) < 10 * _MOST_STEPS:
        name = pending.pop()
        if name not in found:
            found.add(name)
            pending += BRINGS.get(name, ())
            pending += _installed_requirements(name)
    return frozenset(found)


@lru_cache(maxsize=512)
def _installed_requirements(name: str) -> tuple[str, ...]:
    try:
        lines = metadata.requires(name) or []
    except (metadata.PackageNotFoundError, ValueError, OSError):
        return ()
    return tuple(canonical(one) for one in lines if "extra ==" not in one)


def brings(packages: frozenset[str], module: str) -> bool:
    """Whether one of these packages, by canonical name, brings a module."""
    name = canonical(module)
    forms = {name, f"python-{name}", f"py{name}", f"{name}-python", f"{name}-py", f"{name}-binary"}
    forms |= {f"python-{name}-python", f"py-{name}", f"{name}-cpu", f"{name}-gpu", f"{name}2"}
    forms |= {canonical(one) for one in packages_of(module)}
    # Names that differ in their dashes alone.
    plain = {one.replace("-", "") for one in forms}
    if packages & forms or plain & {one.replace("-", "") for one in packages}:
        return True
    return module in NAMESPACES and any(one.startswith(f"{name}-") for one in packages)
