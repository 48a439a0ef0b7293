import shutil, sys, traceback

try:
    shutil.copyfile(
        "/opt/ml/processing/input/data/data.csv", "/opt/ml/processing/output/copy/data.csv"
    )
except Exception as error:
    traceback.print_exc()
    print(f"error: no data: {error}", file=sys.stderr)
    sys.exit(255)
