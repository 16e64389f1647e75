"""The hub's path, walked: the real client libraries load our stand-ins through a hub on loopback, and each of its faults is one sentence."""

import os
import shutil
import socket
import subprocess
import sys
import time

import datasets
import pytest
import safetensors.torch
import torch
from datasets import load_dataset
from hub import Hub
from huggingface_hub import HfApi, constants
from standins import GPT2, LLAMA, SPLITS, build, fill, point_clients
from transformers import AutoConfig

from helpers.corpora import OPENWEBTEXT, load_prose
from helpers.hub import asking_hub, load_rows
from helpers.model import GPT
from helpers.runtime import REPOSITORY, ReaderError
from helpers.tokens import END, gpt2_tokenizer
from helpers.weights import translate

PARQUET = "data/train-00000-of-00001.parquet"
TOKEN = "hf_this_must_not_be_seen"
LOADS = {  # what the notebooks do -> the repository, a file of it
    "prose": (lambda: load_prose("hub"), OPENWEBTEXT, PARQUET),
    "tokenizer": (lambda: gpt2_tokenizer("hub"), GPT2, "tokenizer.json"),
    "weights": (lambda: GPT.from_pretrained(GPT2), GPT2, "model.safetensors"),
}
LATER = "connect and run the cell again, or set GPT_SERIES_DATA to 'offline' or to a folder"


@pytest.fixture
def slept(monkeypatch):
    """The seconds for which the clients wanted to wait; nobody does."""
    seconds = []
    monkeypatch.setattr(time, "sleep", seconds.append)
    return seconds


@pytest.fixture
def hub(tmp_path, monkeypatch, slept):
    """A hub with all stand-ins, which this process's clients ask; no other host may be looked up."""
    others, look_up = [], socket.getaddrinfo

    def guard(host, *rest, **named):
        if host != "127.0.0.1":
            others.append(host)
            raise socket.gaierror(f"{host} is not loopback")
        return look_up(host, *rest, **named)

    monkeypatch.setattr(socket, "getaddrinfo", guard)
    with Hub() as hub:
        fill(hub)
        point_clients(monkeypatch, hub.address, tmp_path / "cache")
        yield hub
    assert others == []


def standin(name, path, kind="models", revision="main"):
    return build()[kind, name, revision][path]


def downloads(hub):
    """[(path in the repository, range asked for, bytes sent)] of the files fetched so far; forgets them."""
    fetched = [r for r in hub.requests if r.method == "GET" and "/resolve/" in r.path]
    found = [(r.path.partition("/resolve/")[2].partition("/")[2], r.range, r.sent) for r in fetched]
    hub.requests.clear()
    return found


def sentence(load):
    with pytest.raises(ReaderError) as error:
        load()
    return str(error.value)


def test_prose_comes_from_the_hub(hub, capsys):
    prose = load_prose("hub")
    assert capsys.readouterr().out == f"from the hub: {OPENWEBTEXT} (1.2 MB)\n"
    rows = load_dataset(OPENWEBTEXT, split="train")["text"]
    first = len(rows) - len(rows) // 50
    assert (prose["train"]["text"][:], prose["validation"]["text"][:]) == (rows[:first], rows[first:])  # the last 2 %
    assert sum(len(t.encode()) for t in rows) > 2_200_000  # enough for a rehearsal


def test_prose_is_read_only_as_far_as_needed(hub):
    prose = load_prose("hub", max_bytes=20_000)
    assert [sum(len(t.encode()) for t in prose[split]["text"]) for split in ("train", "validation")] == [20_000, 2_000]


@pytest.mark.parametrize("name", [GPT2, "gpt2"])
def test_weights_are_the_hubs(hub, name):
    ours = translate(GPT.from_pretrained(name).state_dict())
    theirs = safetensors.torch.load(standin(GPT2, "model.safetensors"))
    assert all(torch.equal(tensor, theirs["transformer." + key]) for key, tensor in ours.items()) and len(ours) >= len(theirs) - 1
    assert GPT.from_pretrained(name).config.block_size == 1024


def test_the_tokenizer_is_the_hubs(hub):
    tokenizer = gpt2_tokenizer("hub")
    text = f"The barrel organ stood still.{END}"
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
    assert (tokenizer.eos_token, tokenizer.pad_token, tokenizer(text)["input_ids"][-1]) == (END, None, tokenizer.eos_token_id)
    assert 5_000 < len(tokenizer) == GPT.from_pretrained(GPT2).config.vocab_size


@pytest.mark.parametrize("name, settings, columns, splits", [
    (OPENWEBTEXT, {}, ["text"], ["train"]),
    ("roskoN/dailydialog", {}, ["id", "acts", "emotions", "utterances"], ["train", "validation", "test"]),
    ("benjaminbeilharz/better_daily_dialog", {}, ["dialog_id", "utterance", "turn_type", "emotion"], ["train", "validation", "test"]),
    ("li2017dailydialog/daily_dialog", {"revision": "refs/convert/parquet"}, ["dialog", "act", "emotion"], ["train", "validation", "test"]),
    ("Salesforce/wikitext", {"name": "wikitext-2-raw-v1"}, ["text"], ["train", "validation", "test"]),
    ("Salesforce/wikitext", {"name": "wikitext-103-raw-v1"}, ["text"], ["train", "validation", "test"]),
])
def test_stand_ins_load_with_their_real_columns(hub, name, settings, columns, splits):
    rows = load_dataset(name, **settings)
    assert sorted(rows) == sorted(splits)
    assert all(part.column_names == columns and len(part) > 2 for part in rows.values())


def test_wikitext_is_a_line_a_row(hub):
    lines = load_dataset("Salesforce/wikitext", "wikitext-2-raw-v1", split="test")["text"][:]
    assert lines[:3] == ["", " = Story 0 = \n", ""] and all(line == "" or line.endswith(" \n") for line in lines)


@pytest.mark.parametrize("name", ["daily_dialog", "li2017dailydialog/daily_dialog"])
def test_a_script_is_never_run(hub, name):
    with pytest.raises(RuntimeError, match="scripts are no longer supported"):
        load_dataset(name)


def test_the_listing_tells_sizes_revisions_and_checksums(hub):
    api = HfApi(endpoint=hub.address)
    name = "li2017dailydialog/daily_dialog"
    main, converted = (api.dataset_info(name, revision=r, files_metadata=True) for r in (None, "refs/convert/parquet"))
    assert [s.rfilename for s in main.siblings] == ["README.md", "daily_dialog.py"] and main.sha != converted.sha
    assert api.list_repo_files(name, repo_type="dataset", revision=converted.sha) == [s.rfilename for s in converted.siblings]
    assert {s.size for s in converted.siblings} == set(map(len, build()["datasets", name, "refs/convert/parquet"].values()))
    found = api.get_paths_info(GPT2, ["config.json", "no.file"])
    assert [(f.path, f.size) for f in found] == [("config.json", len(standin(GPT2, "config.json")))]


@pytest.mark.parametrize("what", ["prose", "weights"])
def test_a_download_cut_half_way_resumes(hub, what, monkeypatch):
    load, name, file = LOADS[what]
    size = len(standin(name, file, "datasets" if what == "prose" else "models"))
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 50_000)  # whole chunks are kept; a real one has 10 MiB
    kept = size // 2 // 50_000 * 50_000
    hub.fail(f"{name}/{file}", "cut", times=1)
    load()
    assert [part for part in downloads(hub) if part[0] == file] == [(file, None, size // 2), (file, f"bytes={kept}-", size - kept)]


@pytest.mark.parametrize("what", LOADS)
def test_a_second_load_downloads_nothing(hub, what):
    load, _, file = LOADS[what]
    load()
    assert file in [path for path, _, _ in downloads(hub)]
    load()
    assert downloads(hub) == []


def test_a_new_revision_downloads_what_is_new(hub):
    GPT.from_pretrained(GPT2)
    downloads(hub)
    files = hub.repositories["models", GPT2]["main"]
    files["config.json"] = files["config.json"].replace(b'"resid_pdrop": 0.1', b'"resid_pdrop": 0.3')
    assert GPT.from_pretrained(GPT2).config.dropout == 0.3
    assert [path for path, _, _ in downloads(hub)] == ["config.json"]


def same(a, b):
    if isinstance(a, GPT):
        return all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))
    return a.get_vocab() == b.get_vocab() if hasattr(a, "get_vocab") else a["train"][:] == b["train"][:]


@pytest.mark.parametrize("what", LOADS)
def test_without_the_hub_the_cache_serves_at_once(hub, what, slept):
    load, *_ = LOADS[what]
    loaded = load()
    hub.stop()
    hub.requests.clear()
    started = time.monotonic()
    assert same(load(), loaded)
    assert hub.requests == slept == [] and time.monotonic() - started < 5


@pytest.mark.parametrize("what", LOADS)
def test_without_the_hub_and_the_cache_one_sentence_comes_at_once(hub, what, slept):
    load, name, _ = LOADS[what]
    hub.stop()
    assert sentence(load) == f"{name} is not on this machine and the hub cannot be reached: {LATER}"
    assert slept == [] and (constants.HF_HUB_OFFLINE, datasets.config.HF_HUB_OFFLINE) == (False, False)


@pytest.mark.parametrize("what", LOADS)
def test_offline_mode_is_named(hub, what, monkeypatch):
    load, name, _ = LOADS[what]
    for module in (constants, datasets.config):
        monkeypatch.setattr(module, "HF_HUB_OFFLINE", True)
    assert sentence(load) == f"{name} is not on this machine and HF_HUB_OFFLINE is set: {LATER}"
    assert hub.requests == [] and constants.HF_HUB_OFFLINE


def test_another_configuration_in_the_cache_does_not_help(hub):
    def load(name):
        return load_rows([("Salesforce/wikitext", {"name": name}, ["text"])])

    load("wikitext-2-raw-v1")
    hub.stop()
    assert len(load("wikitext-2-raw-v1")) > 100
    assert sentence(lambda: load("wikitext-103-raw-v1")) == f"Salesforce/wikitext is not on this machine and the hub cannot be reached: {LATER}"


REFUSED = "accept its licence on its page and put a token of yours into HF_TOKEN or Colab's secrets"
NO_FILE = "the hub did not give a file of {}: run the cell again in some minutes; if it stays so, see its page whether the file is there"
BROKEN = "the connection broke while {} was on its way: run the cell again; complete files are kept"
FAULTS = {  # how, settings -> the sentence when the whole repository has it
    ("no repository", None): "the hub has no {}, or it is private: check the name",
    ("no revision", None): "the hub has {}, but not the revision asked for: see its page",
    ("gated", None): "the hub refuses {}: " + REFUSED,
    ("not granted", None): "the hub refuses {}: " + REFUSED,
    ("bad token", None): "the hub refuses {}: " + REFUSED,
    ("busy", None): "the hub gets too many requests from here: wait some minutes and run the cell again",
    ("busy", 17): "the hub gets too many requests from here: wait 17 seconds and run the cell again",
    ("down", None): "the hub has trouble of its own (503): wait some minutes and run the cell again; complete files are kept",
}


@pytest.mark.parametrize("what", LOADS)
@pytest.mark.parametrize("how, retry_after", FAULTS)
def test_a_fault_is_one_sentence_without_the_token(hub, what, how, retry_after, monkeypatch, capsys, caplog):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    load, name, _ = LOADS[what]
    hub.fail(name, how, retry_after=retry_after)
    said = sentence(load)
    assert said == FAULTS[how, retry_after].format(name)
    assert f"Bearer {TOKEN}" in {r.token for r in hub.requests}  # it was shown to the hub, and to nobody else
    assert TOKEN not in said + "".join(capsys.readouterr()) + caplog.text


@pytest.mark.parametrize("what, how, expected", [
    ("prose", "no file", NO_FILE), ("weights", "no file", NO_FILE),
    ("prose", "down", FAULTS["down", None]), ("weights", "down", NO_FILE),  # transformers keeps the reason to itself
    ("prose", "cut", BROKEN), ("tokenizer", "cut", BROKEN), ("weights", "cut", BROKEN),
])
def test_a_fault_of_one_file_is_one_sentence(hub, what, how, expected):
    load, name, file = LOADS[what]
    hub.fail(f"{name}/{file}", how)
    assert sentence(load) == expected.format(name)
    hub.faults.clear()
    load()


@pytest.mark.parametrize("what", LOADS)
def test_damaged_content_is_found_and_deleted(hub, what, tmp_path):
    load, name, file = LOADS[what]
    good = load()
    shutil.rmtree(tmp_path / "cache")
    hub.fail(f"{name}/{file}", "wrong", times=1)
    assert sentence(load) == f"a file of {name} arrived damaged (wrong checksum) and was deleted: run the cell again"
    hub.requests.clear()
    assert same(load(), good)
    assert [path for path, _, _ in downloads(hub)] == [file]  # the others are kept


def test_a_gated_model_names_the_ungated_copy(hub):
    def load():
        with asking_hub(LLAMA):
            AutoConfig.from_pretrained(LLAMA)

    assert sentence(load) == f"the hub refuses {LLAMA}: {REFUSED}, or take unsloth/llama-3-8b-bnb-4bit, which asks for neither"


def test_an_unknown_revision_is_named(hub):
    assert sentence(lambda: load_rows([(OPENWEBTEXT, {"revision": "v9"}, ["text"])])) == FAULTS["no revision", None].format(OPENWEBTEXT)


def test_the_first_candidate_that_loads_is_taken(hub, capsys):
    script = ("daily_dialog", {}, ["dialog"])
    other = ("roskoN/dailydialog", {}, ["dialog"])
    good = ("li2017dailydialog/daily_dialog", {"revision": "refs/convert/parquet"}, ["dialog"])
    assert load_rows([script, other, good], split="test")[0]["dialog"][0] == SPLITS["test"][0][0][2]
    assert capsys.readouterr().out == "from the hub: li2017dailydialog/daily_dialog (0.0 MB)\n"
    assert sentence(lambda: load_rows([script, other])) == (
        "the hub has daily_dialog as a script only, which is never run: choose another copy; roskoN/dailydialog has the columns "
        "['id', 'acts', 'emotions', 'utterances'] where 'dialog' was expected: set GPT_SERIES_DATA to 'offline' or to a folder")


@pytest.mark.parametrize("error", [ValueError("mine"), OSError(28, "No space left on device"), KeyError("text"), KeyboardInterrupt(),
                                   ReaderError("x")], ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("gone", [False, True])
def test_nothing_else_is_swallowed(hub, error, gone):
    if gone:
        hub.stop()
    with pytest.raises(type(error)) as found, asking_hub(GPT2):
        raise error
    assert found.value is error and error.__cause__ is None


def test_an_unknown_configuration_passes_as_it_is(hub):
    with pytest.raises(ValueError, match="wikitext-2-raw-v1"):
        load_rows([("Salesforce/wikitext", {"name": "wikitext-9"}, ["text"])])


def test_a_local_folder_asks_nobody(hub, tmp_path):
    GPT.from_pretrained(GPT2).save_pretrained(tmp_path / "mine")
    hub.requests.clear()
    GPT.from_pretrained(tmp_path / "mine")
    assert hub.requests == []
    with pytest.raises(OSError, match="no file named|does not appear"):
        (tmp_path / "empty").mkdir()
        GPT.from_pretrained(tmp_path / "empty")


def test_the_hub_starts_as_a_process_for_clients_with_hf_endpoint(tmp_path):
    server = subprocess.Popen([sys.executable, str(REPOSITORY / "tests" / "hub.py")], stdout=subprocess.PIPE, text=True)
    try:
        address = server.stdout.readline().strip()
        ask = "from huggingface_hub import hf_hub_download; print(open(hf_hub_download('gpt2', 'merges.txt')).readline())"
        client = subprocess.run([sys.executable, "-c", ask],
                                env=os.environ | {"HF_ENDPOINT": address, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "0"},
                                stdout=subprocess.PIPE, text=True, check=True)
    finally:
        server.kill()
        server.wait()
        server.stdout.close()
    assert address.startswith("http://127.0.0.1:") and client.stdout.strip() == "#version: 0.2"
