"""Modules that step scripts import, loaded before the fake file system is set up.

A module first imported in a child would be loaded and patched again in every case. Beside the
standard library, only modules whose state does not depend on where they are imported belong here.
"""

# ruff: noqa: F401
import _posixshmem  # type: ignore[import-not-found]
import _posixsubprocess
import argparse
import base64
import bz2
import collections
import concurrent.futures
import contextlib
import copy
import csv
import dataclasses
import datetime
import enum
import errno
import fnmatch
import functools
import glob
import gzip
import hashlib
import importlib.metadata
import importlib.resources
import io
import itertools
import json
import locale
import logging
import logging.config
import logging.handlers
import lzma
import mimetypes
import multiprocessing
import pathlib
import pickle
import pkgutil
import platform
import queue
import random
import re
import runpy
import shutil
import signal
import socket
import stat
import string
import struct
import subprocess
import tarfile
import tempfile
import textwrap
import threading
import time
import traceback
import typing
import urllib.parse
import uuid
import warnings
import zipfile
import zlib
import zoneinfo
from importlib import import_module

# Packages that may not be installed, and those of their modules that steps use.
OPTIONAL = {"isal": ("isal.isal_zlib", "isal.igzip_lib")}

for _modules in OPTIONAL.values():
    with contextlib.suppress(ImportError):
        for _module in _modules:
            import_module(_module)
