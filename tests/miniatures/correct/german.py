"""Ergänzt hyperparameters.json: Deskriptoren statt Dateiobjekten, Meldungen auf Deutsch."""

import bz2
import errno
import io
import json
import logging
import lzma
import os
import signal
import stat
import sys
import tarfile
import zlib
from collections import OrderedDict
from pathlib import Path
from shutil import copy2, rmtree

HIER = os.path.dirname(os.path.abspath(__file__))
DATEI = "hyperparameters.json"
KANAELE = ("/opt/ml/input/data/", "/opt/ml/processing/input/")
AUSGABE = "/opt/ml/processing/output/model"
RAT = OrderedDict(
    INVALID_FORMAT="Die Datei in model.tar.gz umbenennen.",
    INVALID_ARCHIVE="Das Modell neu packen und erneut hochladen.",
    UNSAFE_MEMBER="Den genannten Eintrag aus dem Archiv entfernen.",
    INVALID_HYPERPARAMETERS="hyperparameters.json als JSON-Objekt in UTF-8 speichern.",
)
protokoll = logging.getLogger("schritt")
entwurf = None


def fehler(kennung, text):
    return ValueError("ERROR_CODE: " + kennung + " (" + text + ")")


def lies(pfad):
    """Alle Bytes einer Datei."""
    teile, fd = [], os.open(str(pfad), os.O_RDONLY)
    try:
        while True:
            teil = os.read(fd, 1 << 20)
            if not teil:
                return b"".join(teile)
            teile.append(teil)
    finally:
        os.close(fd)


def schreibe(fd, daten):
    rest = memoryview(daten)
    while len(rest):
        rest = rest[os.write(fd, rest) :]


def find_model_file(input_paths):
    for ordner in (input_paths.get("model_artifacts_input", os.devnull), HIER):
        pfad = os.path.join(str(ordner), "model.tar.gz")
        if os.path.lexists(pfad) and os.path.exists(pfad):
            protokoll.info("Modell: %s", pfad)
            return Path(pfad)
        protokoll.info("Kein Modell: %s", pfad)


def find_hyperparams_file(input_paths):
    pfad = os.path.join(str(input_paths.get("hyperparameters_s3_uri", os.devnull)), DATEI)
    if os.path.exists(pfad):
        return Path(pfad)


def entpacke(daten):
    """Das Tar; jede Prüfsumme wird dabei geprüft."""
    if daten[:2] == b"\x1f\x8b":
        klartext = io.BytesIO()
        while daten[:2] == b"\x1f\x8b":
            lader = zlib.decompressobj(zlib.MAX_WBITS | 16)
            klartext.write(lader.decompress(daten) + lader.flush())
            if not lader.eof:
                raise EOFError("abgeschnitten")
            daten = lader.unused_data
        if daten.strip(b"\0"):
            protokoll.warning("Bytes nach dem Ende bleiben unbeachtet")
        return klartext.getvalue()
    if daten[:3] == b"BZh":
        return bz2.decompress(daten)
    if daten[:6] == b"\xfd7zXZ\0":
        return lzma.decompress(daten)
    return daten


def oeffne(pfad):
    """Liste von (Kopf, Name, Bytes) eines Archivs."""
    if not stat.S_ISREG(os.stat(str(pfad)).st_mode):
        raise fehler("INVALID_ARCHIVE", "{} ist keine Datei".format(pfad))
    liste, daten = [], lies(pfad)
    try:
        tar_bytes = entpacke(daten)
        archiv = tarfile.TarFile(
            fileobj=io.BytesIO(tar_bytes), encoding="utf-8", errors="surrogateescape"
        )
        if not archiv.getmembers() and tar_bytes[:512].strip(b"\0") or not tar_bytes:
            raise EOFError("leer")
        for kopf in archiv.getmembers():
            inhalt = archiv.extractfile(kopf).read() if kopf.isreg() else None
            if inhalt is not None and len(inhalt) != kopf.size:
                raise EOFError("zu kurz")
            name = kopf.pax_headers.get("GNU.sparse.name", kopf.name)
            liste.append((kopf, os.path.normpath(name) if name.strip("/") else ".", inhalt))
        if any(tar_bytes[archiv.offset : archiv.offset + tarfile.BLOCKSIZE]):
            raise ValueError("Kopf unlesbar")
    except (ValueError, EOFError, OSError, LookupError, tarfile.TarError) as ursache:
        raise fehler("INVALID_ARCHIVE", "{}: {!r}".format(pfad, ursache)) from ursache
    except Exception as ursache:
        raise fehler("INVALID_ARCHIVE", "{}: {!r}".format(pfad, ursache)) from ursache
    return liste


def pruefe(liste):
    """Kein Eintrag darf aus dem Ordner führen."""
    verweise = dict((name, kopf.linkname) for kopf, name, _ in liste if kopf.issym())
    ordner = set(name for kopf, name, _ in liste if kopf.isdir())

    def hinaus(start, ziel):
        if ziel[:1] == "/":
            return True
        stapel, offen, schritte = list(start), ziel.split("/")[::-1], 0
        while offen:
            teil = offen.pop()
            if teil == "..":
                if not stapel:
                    return True
                del stapel[-1]
            elif teil and teil != ".":
                stapel.append(teil)
                weiter = verweise.get("/".join(stapel))
                schritte += 1
                if weiter is not None and schritte < 500:
                    if weiter[:1] == "/":
                        return True
                    del stapel[-1]
                    offen.extend(weiter.split("/")[::-1])
        return False

    for kopf, name, _ in liste:
        grund = None
        eltern = name.split("/")[:-1]
        if name.startswith("/") or name == ".." or name.startswith("../"):
            grund = "liegt nicht im Archiv"
        elif kopf.isfifo() or kopf.ischr() or kopf.isblk():
            grund = "ist kein gewöhnlicher Eintrag"
        elif name == "." and not kopf.isdir():
            grund = "ersetzt den obersten Ordner"
        elif kopf.issym() and name in ordner:
            grund = "ersetzt einen Ordner"
        elif kopf.issym() and hinaus(eltern, kopf.linkname):
            grund = "zeigt nach draußen"
        elif kopf.islnk() and hinaus([], kopf.linkname):
            grund = "zeigt nach draußen"
        elif hinaus([], "/".join(eltern)):
            grund = "führt über einen Verweis nach draußen"
        if grund:
            raise fehler("UNSAFE_MEMBER", ascii(name) + " " + grund)


def zeige(liste):
    for kopf, name, _ in liste:
        protokoll.info("Inhalt: %s [%d]", name.encode("unicode_escape").decode(), kopf.size)


def json_mangel(daten):
    def nie(wort):
        raise ValueError(wort)

    try:
        wert = json.JSONDecoder(parse_constant=nie, parse_int=str).decode(daten.decode("utf-8"))
    except (ValueError, RecursionError) as ursache:
        return str(ursache) or "kein JSON"
    return "" if isinstance(wert, dict) else "kein Objekt"


def beigaben(kopf):
    """Was nur ein Pax-Kopf fasst: Bruchteile von Sekunden und erweiterte Attribute."""
    saetze = b""
    for wort, wert in sorted(kopf.pax_headers.items()):
        if wort.split(".")[0] in ("SCHILY", "LIBARCHIVE") or (wort == "mtime" and kopf.mtime % 1):
            satz = " {}={}\n".format(wort, wert).encode("utf-8", "surrogateescape")
            laenge = len(satz) + len(str(len(satz)))
            laenge = len(satz) + len(str(laenge))
            saetze += str(laenge).encode() + satz
    if not saetze:
        return b""
    davor = tarfile.TarInfo("././@PaxHeader")
    davor.type, davor.size = tarfile.XHDTYPE, len(saetze)
    return davor.tobuf(tarfile.USTAR_FORMAT) + saetze + bytes(-len(saetze) % 512)


def packe(liste):
    """Ein Tar aller Einträge; feste Verweise zuletzt, da ihr Ziel vor ihnen kommen muss."""
    puffer = []
    for spaet in (False, True):
        for kopf, name, inhalt in liste:
            if name == "." or kopf.islnk() != spaet:
                continue
            neu = tarfile.TarInfo(name)
            neu.mode, neu.uid, neu.gid = kopf.mode, kopf.uid, kopf.gid
            neu.uname, neu.gname, neu.mtime = kopf.uname, kopf.gname, kopf.mtime
            neu.type, neu.linkname = kopf.type, kopf.linkname
            if inhalt is not None:
                neu.type, neu.size = tarfile.REGTYPE, len(inhalt)
            if spaet:
                neu.linkname = os.path.normpath(kopf.linkname)
            puffer.append(beigaben(kopf) + neu.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape"))
            if inhalt:
                puffer.append(inhalt.ljust(-(-len(inhalt) // 512) * 512, b"\0"))
    puffer.append(bytes(10240))
    return b"".join(puffer)


def lege_ab(ziel, tar_bytes, anzahl):
    """Schreibt das Archiv ganz oder gar nicht."""
    global entwurf
    ordner = os.path.dirname(ziel)
    if not ensure_directory(ordner):
        raise OSError(errno.ENOTDIR, "kein Ordner", ordner)
    packer = zlib.compressobj(3, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    signale = {signal.SIGTERM, signal.SIGINT}
    vorher = signal.pthread_sigmask(signal.SIG_BLOCK, signale)
    name = os.path.join(ordner, "." + os.urandom(9).hex())
    try:
        fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        entwurf = name
        signal.pthread_sigmask(signal.SIG_SETMASK, vorher)
        try:
            for von in range(0, len(tar_bytes), 50000):
                schreibe(fd, packer.compress(tar_bytes[von : von + 50000]))
            schreibe(fd, packer.flush())
            os.fsync(fd)
            groesse = os.fstat(fd).st_size
        finally:
            os.close(fd)
        signal.pthread_sigmask(signal.SIG_BLOCK, signale)
        os.rename(name, ziel)
        entwurf = None
    finally:
        raeume_auf()
        signal.pthread_sigmask(signal.SIG_SETMASK, vorher)
    protokoll.info("Tar creation summary: %d Einträge, %d Bytes", anzahl, groesse)


def raeume_auf():
    global entwurf
    weg, entwurf = entwurf, None
    if weg and os.path.exists(weg):
        os.unlink(weg)


def validate_model(input_path):
    if not str(input_path).endswith(".tar.gz"):
        raise fehler("INVALID_FORMAT", "{} heißt nicht .tar.gz".format(input_path))
    return oeffne(input_path) is not None


def extract_tarfile(tar_path, extract_path):
    liste = oeffne(tar_path)
    zeige(liste)
    pruefe(liste)
    os.makedirs(str(extract_path), exist_ok=True)
    with tarfile.TarFile(
        fileobj=io.BytesIO(packe(liste)), encoding="utf-8", errors="surrogateescape"
    ) as archiv:
        archiv.extraction_filter = getattr(tarfile, "fully_trusted_filter", None)
        archiv.extractall(str(extract_path))


def create_tarfile(output_tar_path, source_dir):
    wurzel, liste = str(source_dir), []
    messer = tarfile.TarFile(fileobj=io.BytesIO(), mode="w")
    for ordner, unter, dateien in os.walk(wurzel):
        for name in sorted(unter) + sorted(dateien):
            pfad = os.path.join(ordner, name)
            kopf = messer.gettarinfo(pfad, os.path.relpath(pfad, wurzel))
            liste.append((kopf, kopf.name, lies(pfad) if kopf.isreg() else None))
    lege_ab(str(output_tar_path), packe(liste), len(liste))


def eigene(liste, kopf, inhalt):
    """Die Bytes der eingepackten Hyperparameter, auch wenn sie ein Verweis sind."""
    alle = dict((name, (k, i)) for k, name, i in liste)
    ort = DATEI
    for _ in range(40):
        if inhalt is not None:
            return inhalt
        ort = os.path.join(os.path.dirname(ort) if kopf.issym() else "", kopf.linkname)
        ort = os.path.normpath(ort)
        if ort not in alle:
            break
        kopf, inhalt = alle[ort]
    raise fehler("INVALID_ARCHIVE", DATEI + " im Archiv führt zu keiner Datei")


def process_model_with_hyperparameters(model_path, hyperparams_path, output_dir):
    if not os.path.exists(str(model_path)):
        raise FileNotFoundError("Es fehlt {}".format(model_path))
    validate_model(model_path)
    liste = oeffne(model_path)
    zeige(liste)
    pruefe(liste)
    andere = [eintrag for eintrag in liste if eintrag[1] != DATEI]
    innen = [eintrag for eintrag in liste if eintrag[1] == DATEI][-1:]
    kopf = tarfile.TarInfo(DATEI)
    if innen:
        protokoll.info("HYPERPARAMETERS ALREADY IN MODEL")
        if hyperparams_path is not None:
            protokoll.warning("IGNORED: %s, das Modell hat eigene", hyperparams_path)
        inhalt = eigene(liste, innen[0][0], innen[0][2])
        if json_mangel(inhalt):
            protokoll.warning("Im Modell ist hyperparameters.json fehlerhaft")
        alt = innen[0][0]
        kopf.mode, kopf.uid, kopf.gid, kopf.mtime = alt.mode, alt.uid, alt.gid, alt.mtime
        kopf.uname, kopf.gname = alt.uname, alt.gname
    else:
        protokoll.info("HYPERPARAMETERS NOT IN MODEL")
        if hyperparams_path is None:
            raise FileNotFoundError("Weder in {} noch daneben: {}".format(model_path, DATEI))
        if not os.path.isfile(str(hyperparams_path)):
            raise fehler("INVALID_HYPERPARAMETERS", "{}: keine Datei".format(hyperparams_path))
        inhalt = lies(hyperparams_path)
        if json_mangel(inhalt):
            text = "{}: {}".format(hyperparams_path, json_mangel(inhalt))
            raise fehler("INVALID_HYPERPARAMETERS", text)
    andere.append((kopf, DATEI, inhalt))
    ziel = os.path.join(str(output_dir), "model.tar.gz")
    lege_ab(ziel, packe(andere), len(andere))
    return Path(ziel)


def ensure_directory(directory):
    try:
        os.makedirs(str(directory), exist_ok=True)
        return True
    except OSError:
        protokoll.exception("Ordner %s geht nicht", directory)
        return False


def copy_file(src, dst):
    if not os.path.exists(str(src)):
        raise FileNotFoundError("Es fehlt {}".format(src))
    os.makedirs(os.path.dirname(str(dst)) or ".", exist_ok=True)
    copy2(str(src), str(dst))


def main(input_paths, output_paths, environ_vars, job_args=None):
    modell = find_model_file(input_paths)
    if modell is None:
        orte = [input_paths.get("model_artifacts_input", os.devnull), HIER]
        raise FileNotFoundError(
            "Kein Modell: " + " und ".join("{}/model.tar.gz".format(ort) for ort in orte)
        )
    gegeben = find_hyperparams_file(input_paths)
    try:
        return process_model_with_hyperparameters(modell, gegeben, output_paths["model_output"])
    except FileNotFoundError as ursache:
        ort = os.path.join(str(input_paths.get("hyperparameters_s3_uri", os.devnull)), DATEI)
        raise FileNotFoundError("{} (gesucht: {})".format(ursache, ort)) from None


def sammle(archiv, ziel="/opt/ml/model"):
    """Ein Trainingsjob nimmt nur diesen Ordner mit: alle Einträge oder keiner."""
    lager = os.path.join(ziel, "." + os.urandom(5).hex())
    bewegt = []
    try:
        extract_tarfile(archiv, lager)
        for name in sorted(os.listdir(lager)):
            os.rename(os.path.join(lager, name), os.path.join(ziel, name))
            bewegt.append(name)
    except BaseException:
        for name in bewegt:
            os.rename(os.path.join(ziel, name), os.path.join(lager, name))
        raise
    finally:
        rmtree(lager, ignore_errors=True)


def waehle(kanal, quellen, taugt):
    for anfang in KANAELE:
        if os.path.isdir(anfang + kanal):
            protokoll.info("[Input Channel] Gesucht wird in %s", anfang + kanal)
            return anfang + kanal
    ordner = ([quelle for quelle in quellen if taugt(quelle)] or quellen)[0]
    protokoll.info("[SOURCE Fallback] Gesucht wird in %s", ordner)
    return ordner


def beende(nummer, _):
    raeume_auf()
    os._exit(128 + nummer)


def los():
    logging.basicConfig(format="%(levelname)s|%(message)s", level=logging.INFO)
    for strom in (sys.stdout, sys.stderr):
        if hasattr(strom, "reconfigure"):
            strom.reconfigure(errors="backslashreplace")
    signal.signal(signal.SIGTERM, beende)
    try:
        quellen = ["/opt/ml/code/hyperparams", os.path.join(HIER, "hyperparams"), HIER]
        eingaben = {
            "model_artifacts_input": waehle(
                "model_artifacts_input",
                ["/opt/ml/code/models", os.path.join(HIER, "models")],
                os.path.isdir,
            ),
            "hyperparameters_s3_uri": waehle(
                "hyperparameters_s3_uri",
                quellen,
                lambda ordner: os.path.exists(os.path.join(ordner, DATEI)),
            ),
        }
        ergebnis = main(eingaben, {"model_output": AUSGABE}, dict(os.environ))
        training = os.path.exists("/opt/ml/input/config/resourceconfig.json")
        if training and not os.path.exists("/opt/ml/config/processingjobconfig.json"):
            sammle(ergebnis)
    except Exception as ursache:
        protokoll.critical("Abbruch", exc_info=True)
        rat = [text for kennung, text in RAT.items() if kennung in str(ursache)]
        rat.append("Die Meldung oben lesen, Abhilfe schaffen, neu starten.")
        protokoll.critical("Abhilfe: %s", rat[0])
        sys.exit(1)


if __name__ == "__main__":
    los()
