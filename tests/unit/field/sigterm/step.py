import shutil, sys


def one(value):
    return value + 1


try:
    with open("/opt/ml/processing/input/data/data.csv") as stream:
        rows = stream.read()
    count = 0
    for _ in range(20_000_000):  # as an import of pandas or torch, or feature engineering in Python
        count = one(count)
    shutil.copyfile(
        "/opt/ml/processing/input/data/data.csv", "/opt/ml/processing/output/copy/data.csv"
    )
except Exception as error:
    print(f"error: {error}", file=sys.stderr)
    raise
