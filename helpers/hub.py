"""Asking the Hugging Face hub: each fault is one sentence, what arrives is checked, nobody waits for a network that is not there."""

import contextlib
import hashlib
import shutil
import time
from pathlib import Path

from huggingface_hub import constants
from huggingface_hub.utils import get_session

from .runtime import ReaderError

OTHERWISE = "set GPT_SERIES_DATA to 'offline' or to a folder"
UNGATED = {"meta-llama/Meta-Llama-3-8B": ", or take unsloth/llama-3-8b-bnb-4bit, which asks for neither"}


@contextlib.contextmanager
def asking_hub(name):
    """Context for loading ``name`` from the hub, or from the clients' cache where nobody answers; a local folder just passes.

    Raises ReaderError for a fault of the hub or of the way to it, however wrapped, and for a file with a wrong checksum.
    """
    from datasets import config
    local, started, chosen = Path(name).is_dir(), time.time(), (constants.HF_HUB_OFFLINE, config.HF_HUB_OFFLINE)
    offline = any(chosen) or not local and not answers()
    try:  # offline, the clients look into their cache at once; without an answer they would try for a minute and more
        constants.HF_HUB_OFFLINE = config.HF_HUB_OFFLINE = offline
        yield
        check_files(str(name), started - 2)  # a file system's clock may lag
    except Exception as error:
        check_files(str(name), 0)
        sentence = explain(error, name, offline and ("HF_HUB_OFFLINE is set" if any(chosen) else "the hub cannot be reached"))
        if local or sentence is None:
            raise
        raise ReaderError(sentence) from None
    finally:
        constants.HF_HUB_OFFLINE, config.HF_HUB_OFFLINE = chosen


def answers():
    """Whether anybody answers at the hub's address, with whatever status."""
    with contextlib.suppress(Exception):
        return bool(get_session().head(constants.ENDPOINT, timeout=5).status_code)


def explain(error, name, offline):
    """One sentence for a fault of the hub, else None; it quotes nothing of the error, which may hold a token."""
    links = [error]
    for link in links:
        links += [e for e in (link.__cause__, link.__context__) if e is not None and e not in links]
    kinds, said = {c.__name__ for link in links for c in type(link).__mro__}, str(error)
    answer = next((link.response for link in links if getattr(link, "response", None) is not None), None)
    status, headers = (answer.status_code, answer.headers) if answer is not None else (0, {})
    wait = f"wait {headers['Retry-After']} seconds" if "Retry-After" in headers else "wait some minutes"
    return next((sentence for holds, sentence in [
        ("ReaderError" in kinds, None),
        (offline and (isinstance(error, OSError) and error.errno is None or "Couldn't find cache" in said),
         f"{name} is not on this machine and {offline}: connect and run the cell again, or {OTHERWISE}"),
        ("GatedRepoError" in kinds or "is a gated dataset" in said or status in (401, 403) and "RepositoryNotFoundError" not in kinds,
         f"the hub refuses {name}: accept its licence on its page and put a token of yours into HF_TOKEN or Colab's secrets{UNGATED.get(name, '')}"),
        (status == 429, f"the hub gets too many requests from here: {wait} and run the cell again"),
        (status >= 500, f"the hub has trouble of its own ({status}): {wait} and run the cell again; complete files are kept"),
        ("RevisionNotFoundError" in kinds or said.startswith("Revision "), f"the hub has {name}, but not the revision asked for: see its page"),
        (kinds & {"RepositoryNotFoundError", "DatasetNotFoundError"}, f"the hub has no {name}, or it is private: check the name"),
        ("Unknown split" in said, f"the hub has {name}, but not all splits asked for: choose another copy"),
        ("scripts are no longer supported" in said, f"the hub has {name} as a script only, which is never run: choose another copy"),
        (kinds & {"RemoteEntryNotFoundError", "DataFilesNotFoundError", "EmptyDatasetError"} or "does not appear to have" in said,
         f"the hub did not give a file of {name}: run the cell again in some minutes; if it stays so, see its page whether the file is there"),
        (kinds & {"TransportError", "XetDownloadError"} or "Consistency check failed" in said,
         f"the connection broke while {name} was on its way: run the cell again; complete files are kept"),
    ] if holds), None)


def check_files(name, since):
    """Delete what came of ``name`` after ``since`` with a wrong checksum, and say so: the clients themselves compare only sizes."""
    from datasets import config
    for file in Path(constants.HF_HUB_CACHE).glob(f"*s--{name.replace('/', '--')}/blobs/*"):
        digest = {64: hashlib.sha256(), 40: hashlib.sha1(b"blob %d\0" % file.stat().st_size)}.get(len(file.name))  # git's, for small ones
        if digest is None or file.stat().st_mtime < since:
            continue
        with open(file, "rb") as content:
            while piece := content.read(2**20):
                digest.update(piece)
        if digest.hexdigest() != file.name:
            file.unlink()
            shutil.rmtree(Path(config.HF_DATASETS_CACHE, name.replace("/", "___")), ignore_errors=True)  # what was made of it
            raise ReaderError(f"a file of {name} arrived damaged (wrong checksum) and was deleted: run the cell again")


def load_rows(candidates, split="train"):
    """Rows of the first dataset that loads and has its columns; prints which one it is and the size of its download.

    candidates: (name, further arguments of `datasets.load_dataset`, columns) each. split: a name, or a list of names for a list of rows.
    Raises ReaderError with what is wrong with each.
    """
    from datasets import load_dataset
    failures = []
    for name, settings, columns in candidates:
        try:
            with asking_hub(name):
                rows = load_dataset(name, split=split, **settings)
            first = rows[0] if isinstance(rows, list) else rows
            if not set(columns) <= set(first.column_names):
                raise ReaderError(f"{name} has the columns {first.column_names} where {str(columns)[1:-1]} was expected: {OTHERWISE}")
            print(f"from the hub: {name}" + (f" ({first.download_size / 1e6:,.1f} MB)" if first.download_size else ""))
            return rows
        except ReaderError as error:
            failures.append(str(error))
    raise ReaderError("; ".join(failures))
