"""Four small correct steps, and single faults of each: what is changed, and what finds it."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from typing import NamedTuple

IN, OUT = "/opt/ml/processing/input", "/opt/ml/processing/output"


class Small(NamedTuple):
    """A step: its contract, its script, and the samples of its inputs."""

    contract: str
    script: str
    samples: Mapping[str, bytes]


class Fault(NamedTuple):
    """A change of a step's script, the case that shows it, and the finding: `PROMISE/KEY`.

    The case is a word of its id; the usual case is "usual".
    """

    step: str
    what: str
    old: str
    new: str
    case: str
    finding: str


def _archive() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, mode, data in (("weights", 0o644, b"w" * 9), ("bin/run", 0o755, b"#!/bin/sh\n")):
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), mode
            archive.addfile(info, io.BytesIO(data))
        link = tarfile.TarInfo("latest")
        link.type, link.linkname = tarfile.SYMTYPE, "weights"
        archive.addfile(link)
    return stream.getvalue()


PACK = Small(
    f"""
name: pack
entry_point: step.py
inputs:
  model: {{required: true, file: model.tar.gz, mounts: [{IN}/model]}}
  notes: {{required: true, file: notes.txt, mounts: [{IN}/notes]}}
outputs:
  model: {{path: {OUT}/model, files: {{model.tar.gz: {{members: {{of: model}}}}}}}}
exit_codes: {{0: packed, 1: failed}}
""",
    f"""
import io, os, sys, tarfile
SOURCE, NOTES, TARGET = "{IN}/model/model.tar.gz", "{IN}/notes/notes.txt", "{OUT}/model/model.tar.gz"
def pack():
    notes = open(NOTES, "rb").read()
    with tarfile.open(SOURCE) as old:
        members = [(one, old.extractfile(one).read() if one.isreg() else b"") for one in old]
    with tarfile.open(TARGET + ".part", "w:gz") as new:
        for one, data in members:
            new.addfile(one, io.BytesIO(data))
        added = tarfile.TarInfo("notes.txt")
        added.size = len(notes)
        new.addfile(added, io.BytesIO(notes))
    os.replace(TARGET + ".part", TARGET)
try:
    pack()
except Exception as error:
    if os.path.exists(TARGET + ".part"):
        os.remove(TARGET + ".part")
    sys.exit(f"cannot pack: {{error}}")
""",
    {"model/model.tar.gz": _archive(), "notes/notes.txt": b"tested\n"},
)
HALVES = Small(
    f"""
name: halves
entry_point: step.py
inputs:
  rows: {{required: true, file: rows.csv, mounts: [{IN}/rows]}}
outputs:
  first: {{path: {OUT}/first, files: {{first.csv: {{rows: {{split: rows}}, columns: {{same_as: rows}}}}}}}}
  second: {{path: {OUT}/second, files: {{second.csv: {{rows: {{split: rows}}, columns: {{same_as: rows}}}}}}}}
arguments:
  share: {{type: float, default: 0.5}}
  seed: {{type: int, default: 3}}
exit_codes: {{0: split, 4: failed}}
""",
    f"""
import argparse, csv, os, random, sys
ROWS = "{IN}/rows/rows.csv"
def split():
    parser = argparse.ArgumentParser()
    parser.add_argument("--share", type=float, default=0.5)
    parser.add_argument("--seed", type=int, default=3)
    args = parser.parse_args()
    with open(ROWS, newline="") as stream:
        header, *rows = csv.reader(stream)
    if any(len(one) != len(header) for one in rows):
        raise ValueError("a row has not all fields")
    random.Random(args.seed).shuffle(rows)
    count = int(len(rows) * args.share)
    for name, part in (("first", rows[:count]), ("second", rows[count:])):
        os.makedirs(f"{OUT}/{{name}}", exist_ok=True)
        with open(f"{OUT}/{{name}}/{{name}}.csv", "w", newline="") as stream:
            csv.writer(stream).writerows([header, *part])
try:
    split()
except Exception as error:
    print(f"{{ROWS}} cannot be split: {{error}}", file=sys.stderr)
    sys.exit(4)
""",
    {
        "rows/rows.csv": b"id,name,price\n"
        + b"".join(b"%d,n%d,%d.5\n" % (i, i, i) for i in range(9))
    },
)
SCORE = Small(
    f"""
name: score
entry_point: step.py
inputs:
  scores: {{required: true, files: ["*.txt"], mounts: [{IN}/scores]}}
  base: {{required: false, file: base.json, mounts: [{IN}/base]}}
outputs:
  report:
    path: {OUT}/report
    files: {{report.json: {{metrics: {{mean: number >= 0 and <= 1, count: integer >= 1}}}}}}
arguments:
  round: {{flag: true}}
  unit: {{choices: [part, percent], default: part}}
exit_codes: {{0: scored, 1: failed}}
""",
    f"""
import argparse, json, os, sys
SCORES, BASE, REPORT = "{IN}/scores", "{IN}/base/base.json", "{OUT}/report/report.json"
parser = argparse.ArgumentParser()
parser.add_argument("--round", action="store_true")
parser.add_argument("--unit", choices=["part", "percent"], default="part")
args = parser.parse_args()
names = sorted(os.listdir(SCORES)) if os.path.isdir(SCORES) else []
if not names:
    sys.exit("nothing in " + SCORES)
numbers = [float(word) for name in names for word in open(os.path.join(SCORES, name)).read().split()]
mean = sum(numbers) / len(numbers)
report = {{"mean": round(mean) if args.round else mean, "count": len(numbers), "unit": args.unit}}
report["last"] = numbers[-1]
if os.path.exists(BASE):
    report["better"] = mean > json.load(open(BASE))["mean"]
with open(REPORT, "w") as stream:
    json.dump(report, stream)
""",
    {"scores/a.txt": b"0.5 0.75\n", "scores/b.txt": b"0.25\n", "base/base.json": b'{"mean": 0.4}'},
)
CLEAN = Small(
    f"""
name: clean
entry_point: step.py
inputs:
  raw: {{required: true, file: raw.csv, mounts: [{IN}/raw], may_hold: [header-only]}}
outputs:
  clean:
    path: {OUT}/clean
    files: {{clean.csv: {{rows: same as raw, schema: {{id: integer, town: string, sum: number}}}}}}
arguments: {{fill: {{type: float, default: 0.0}}}}
environment: {{required: [REGION], optional: {{PREFIX: town}}}}
exit_codes: {{0: cleaned, 1: failed}}
""",
    f"""
import argparse, csv, os, sys
RAW, TARGET = "{IN}/raw/raw.csv", "{OUT}/clean/clean.csv"
parser = argparse.ArgumentParser()
parser.add_argument("--fill", type=float, default=0.0)
args = parser.parse_args()
prefix = os.environ.get("PREFIX", "town")
if "REGION" not in os.environ:
    sys.exit("REGION is not set")
try:
    with open(RAW, newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
except OSError as error:
    sys.exit(f"cannot read: {{error}}")
if any(None in row.values() for row in rows):
    sys.exit(f"{{RAW}}: a row is too short")
done = [[row["id"], prefix + " " + row["town"], row["sum"] or args.fill] for row in rows]
with open(TARGET, "w", newline="", encoding="utf-8") as stream:
    csv.writer(stream).writerows([["id", "town", "sum"], *done])
""",
    {
        "raw/raw.csv": "id,town,sum\n1,Köln,2.5\n2,Ulm,\n".encode(),
        "environment.json": b'{"REGION": "eu"}',
    },
)
STEPS = {"pack": PACK, "halves": HALVES, "score": SCORE, "clean": CLEAN}

FAULTS = (
    Fault("pack", "a member is lost", "in members:", "in members[1:]:", "usual", "members/member-missing"),
    Fault("pack", "links are lost", "            new.addfile(one", "            if one.issym():\n                continue\n            new.addfile(one", "usual", "members/member-missing"),
    Fault("pack", "modes are lost", "            new.addfile(one", "            one.mode = 0o644\n            new.addfile(one", "usual", "members/wrong-mode"),
    Fault("pack", "bytes are others", "io.BytesIO(data))", "io.BytesIO(data.upper()))", "usual", "members/wrong-bytes"),
    Fault("pack", "no gzip", '"w:gz"', '"w"', "usual", "form/no.tar.gz"),
    Fault("pack", "another name", "os.replace(TARGET + \".part\", TARGET)", "os.replace(TARGET + \".part\", TARGET + \".gz\")", "usual", "nothing-undeclared/written"),
    Fault("pack", "an unfinished file stays", "os.replace(", "__import__('shutil').copy(", "usual", "nothing-undeclared/written"),
    Fault("pack", "a file beside an input", "    notes = open", "    open(SOURCE + '.bak', 'w').close()\n    notes = open", "usual", "nothing-undeclared/written"),
    Fault("pack", "success whatever happens", "sys.exit(f\"cannot pack: {error}\")", "print(error)", "model=absent", "exit-code/0-for-failure"),
    Fault("pack", "nothing is named", "sys.exit(f\"cannot pack: {error}\")", "sys.exit('cannot pack')", "notes=absent", "error-named/no-missing-part"),
    Fault("pack", "a time stamp in the archive", "    notes = open", "    import time\n    global NOW\n    NOW = time.time()\n    notes = str(NOW).encode() + open", "again", "repeatable/differs"),
    Fault("halves", "a row is lost", "rows[count:]", "rows[count + 1:]", "usual", "content/rows-lost"),
    Fault("halves", "a row is in both", "rows[count:]", "rows[count - 1:]", "usual", "content/rows-twice"),
    Fault("halves", "no header", "[header, *part]", "part", "usual", "content/columns"),
    Fault("halves", "columns change places", "[header, *part]", "[one[::-1] for one in [header, *part]]", "usual", "content/column-order"),
    Fault("halves", "no seed", "random.Random(args.seed)", "random", "again", "repeatable/differs"),
    Fault("halves", "another default", "default=0.5", "default=0.3", "share=default", "defaults/share"),
    Fault("halves", "a part is not written", '("first", rows[:count]), ("second", rows[count:])', '("second", rows[count:]),', "usual", "output/empty"),
    Fault("halves", "short rows are left out", "raise ValueError(\"a row has not all fields\")", "rows = [one for one in rows if len(one) == len(header)]", "rows-damaged", "damaged-input/short-row-accepted"),
    Fault("halves", "an exit code that is not listed", "sys.exit(4)", "sys.exit(5)", "rows=absent", "exit-code/undeclared-5"),
    Fault("halves", "UTF-16", '"w", newline=""', '"w", newline="", encoding="utf-16"', "usual", "form/no.csv"),
    Fault("score", "NaN", '"count": len', '"f1": float("nan"), "count": len', "usual", "form/no.json"),
    Fault("score", "a number as text", '"count": len(numbers)', '"count": str(len(numbers))', "usual", "content/metric"),
    Fault("score", "a metric is missing", '"count": len(numbers), ', "", "usual", "content/no-metric"),
    Fault("score", "out of bounds", '"mean": round(mean) if args.round else mean', '"mean": 100 * mean', "usual", "content/metric"),
    Fault("score", "a Python literal", "json.dump(report, stream)", "stream.write(str(report))", "usual", "form/no.json"),
    Fault("score", "the order of the folder", "sorted(os.listdir(SCORES))", "os.listdir(SCORES)", "again", "repeatable/differs"),
    Fault("score", "an optional input is needed", "if os.path.exists(BASE):", "if True:", "base=absent", "exit-code/1-for-0"),
    Fault("score", "an optional input is not read", "    report[\"better\"] = mean > json.load(open(BASE))[\"mean\"]", "    pass", "base=absent", "effect/base"),
    Fault("score", "a flag that wants a value", 'action="store_true"', "type=bool", "round=on", "exit-code/2-for-0"),
    Fault("score", "a flag without effect", "round(mean) if args.round else mean", "mean", "round=on", "effect/round"),
    Fault("score", "a choice is lacking", '["part", "percent"]', '["part"]', "unit=percent", "exit-code/2-for-0"),
    Fault("score", "broken JSON is passed over", "    report[\"better\"] = mean > json.load(open(BASE))[\"mean\"]", "    try:\n        report[\"better\"] = mean > json.load(open(BASE))[\"mean\"]\n    except ValueError:\n        pass", "base-damaged", "damaged-input/accepted"),
    Fault("score", "an end that does not come", "mean = sum", "while True:\n    pass\nmean = sum", "usual", "exit-code/hangs"),
    Fault("score", "variables are printed", "mean = sum", "print(dict(os.environ))\nmean = sum", "usual", "no-secrets/tells-AWS_SECRET_ACCESS_KEY"),
    Fault("score", "nothing in the folder is no matter", 'sys.exit("nothing in " + SCORES)', "sys.exit(0)", "scores=empty", "exit-code/0-for-failure"),
    Fault("clean", "rows are left out", "for row in rows]", 'for row in rows if row["sum"]]', "usual", "content/rows"),
    Fault("clean", "a text for a number", 'row["sum"] or args.fill', 'row["sum"] or "none"', "usual", "content/type"),
    Fault("clean", "another name of a column", '["id", "town", "sum"]', '["id", "city", "sum"]', "usual", "content/columns"),
    Fault("clean", "a column too many", '[["id", "town", "sum"], *done]', '[["", "id", "town", "sum"], *([i, *one] for i, one in enumerate(done))]', "usual", "content/columns"),
    Fault("clean", "a header alone is too little", "done = [", "rows[0]\ndone = [", "header-only", "exit-code/1-for-0"),
    Fault("clean", "a variable is not asked for", 'if "REGION" not in os.environ:', "if False:", "REGION=unset", "exit-code/0-for-failure"),
    Fault("clean", "a variable is not named", '"REGION is not set"', '"no settings"', "REGION=unset", "error-named/no-missing-part"),
    Fault("clean", "a default of a variable", 'os.environ.get("PREFIX", "town")', 'os.environ.get("PREFIX", "city")', "PREFIX=unset", "defaults/PREFIX"),
    Fault("clean", "the encoding of the locale", 'RAW, newline="", encoding="utf-8"', 'RAW, newline=""', "lang-c", "any-locale/exit-code/1-for-0"),
    Fault("clean", "an input is written to", "done = [", "open(RAW, 'a').write('3,Bonn,1\\n')\ndone = [", "usual", "inputs-unchanged/content-changed"),
    Fault("clean", "another folder is written to", "done = [", "open('/opt/ml/debug.log', 'w').close()\ndone = [", "usual", "nothing-undeclared/written"),
)  # fmt: skip
