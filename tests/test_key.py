"""The key reaches the server and nothing else; what the asking will cost is said before it begins."""

import hashlib
import sys

import pytest
from openai_server import Server
from test_asking import ask, products, quickly  # noqa: F401  (a fixture)

from helpers import asking
from helpers.asking import Key, estimate_cost, find_key, generate_qa
from helpers.replies import messages
from helpers.runtime import ReaderError

SECRET = "sk-test-4f9c1e7a2b"


@pytest.mark.parametrize("how", ["well", "bad key", "bad request", "down", "partly", "page"])
def test_the_key_reaches_the_server_and_nothing_else(how, tmp_path, capfd, caplog, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    caplog.set_level("DEBUG")
    said = ""
    with Server(always=how) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.address)
        try:
            rows, counts = ask(server, tmp_path, base_url=None, retries=1)
            said = f"{list(rows)} {counts}"
        except ReaderError as error:
            said = f"{error} {error!r} {error.__cause__!r} {vars(error)}"
    assert {r.key for r in server.requests} == {f"Bearer {SECRET}"}
    printed = capfd.readouterr()
    files = "".join(f.read_text(encoding="utf-8") for f in tmp_path.rglob("*") if f.is_file())
    assert said and SECRET not in said + printed.out + printed.err + caplog.text + files
    assert SECRET not in f"{find_key()} {find_key()!r} {vars(find_key())} {[find_key()]}"


def test_another_server_does_not_get_the_key_of_openai(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    with Server() as server:
        ask(server, tmp_path, 1)
        ask(server, tmp_path, 2, key=Key("sk-its-own"))
    assert [r.key for r in server.requests] == ["Bearer none", "Bearer sk-its-own"]


def test_without_a_key_one_sentence_says_where_to_put_it(monkeypatch, tmp_path):
    monkeypatch.setattr(asking.getpass, "getpass", lambda *_: pytest.fail("nobody is there to answer"))
    with pytest.raises(ReaderError, match="^no key: put OPENAI_API_KEY into Colab's secrets or the environment, or take the shipped questions"):
        generate_qa(products(1), model="m", folder=tmp_path)


def test_the_key_comes_from_colab_before_the_environment_and_from_a_prompt_at_last(monkeypatch):
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(asking.getpass, "getpass", lambda prompt: " typed ")
    assert find_key()() == "typed"
    monkeypatch.setenv("OPENAI_API_KEY", "of the environment")
    assert find_key()() == "of the environment"
    userdata = type(sys)("google.colab.userdata")
    userdata.get = {"OPENAI_API_KEY": "of Colab"}.__getitem__
    colab = type(sys)("google.colab")
    colab.userdata = userdata
    monkeypatch.setitem(sys.modules, "google.colab", colab)
    assert find_key()() == "of Colab"
    with pytest.raises(ReaderError, match="put ANOTHER into"):
        monkeypatch.setattr(asking.getpass, "getpass", lambda prompt: "")
        find_key("ANOTHER")


def test_the_estimate_counts_bytes_and_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    rows = products(100)
    found = estimate_cost(rows, "m", (2.0, 8.0), questions=5, concurrency=8, seconds=6)
    size = sum(len("".join(m["content"] for m in messages(p, 5)).encode()) for p in rows)
    assert abs(found["tokens in"] - (size / 4 + 1_000)) < 100 and found["tokens out"] == 100 * 5 * 40 and found["products"] == 100
    assert found["dollars"] == pytest.approx((found["tokens in"] * 2 + 20_000 * 8) / 1e6) and found["minutes"] == pytest.approx(1.25)
    assert "bytes / 4" in found["counted by"] and estimate_cost(rows, "m")["dollars"] is None  # prices are the reader's, never ours


def test_the_estimate_uses_tiktoken_where_its_file_is(monkeypatch, tmp_path):
    name = hashlib.sha1(b"https://openaipublic.blob.core.windows.net/encodings/o200k_base.tiktoken").hexdigest()
    (tmp_path / name).write_text("")
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    tiktoken = type(sys)("tiktoken")
    tiktoken.get_encoding = lambda name: type("Encoding", (), {"encode": staticmethod(lambda text, disallowed_special: text.split())})
    monkeypatch.setitem(sys.modules, "tiktoken", tiktoken)
    found = estimate_cost(products(10), "m")
    assert found["counted by"] == "tiktoken's o200k_base" and found["tokens in"] < estimate_cost(products(10), "m", folder=None)["tokens in"] + 1


def test_the_estimate_leaves_out_what_is_made_and_comes_before_the_first_call(tmp_path, capsys, monkeypatch):
    with Server() as server:
        ask(server, tmp_path, 3)
        assert estimate_cost(products(5), "m", folder=tmp_path)["products"] == 2
        capsys.readouterr()
        monkeypatch.setattr(asking, "ask_all", lambda *_: print("asked", len(server.requests)))
        ask(server, tmp_path, 5, prices=(1.0, 2.0))
    first, second = capsys.readouterr().out.splitlines()[:2]
    assert first.startswith("to ask: products 2, tokens in") and "dollars 0.00" in first and "minutes" in first and second == "asked 3"
