"""Standard modules that step scripts import, loaded before the fake world is made.

A module first imported inside it would be loaded, patched and forgotten again in every case.
"""

# ruff: noqa: F401
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
import platform
import queue
import random
import re
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
