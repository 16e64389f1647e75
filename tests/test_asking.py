"""Each product is asked once and paid once: through the real client, over HTTP on loopback, whatever the server and the machine do."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from openai_server import Server

from helpers import replies
from helpers.asking import generate_qa
from helpers.runtime import REPOSITORY, ReaderError
from helpers.training import Stopped

BEGUN = {"made before": 0, "qa": 0, "set_aside": 0, "pairs set aside": 0, "unanswered": 0}


@pytest.fixture(autouse=True)
def quickly(monkeypatch):
    monkeypatch.setattr(replies, "FIRST_WAIT", 0.01)
    for name in [n for n in os.environ if n.startswith("OPENAI_")]:
        monkeypatch.delenv(name)


def products(n, first=0):
    return [{"uid": f"B{i:04}", "cleaned": f"Product {i}. A cup of tin, {i} cm high. It costs {i}.50 pounds."} for i in range(first, first + n)]


def ask(server, folder, n=4, **settings):
    return generate_qa(products(n), **{"model": "a-model", "folder": folder, "base_url": server.address, "timeout": 10, "concurrency": 4} | settings)


def lines(folder, name="qa"):
    file = folder / f"{name}.jsonl"
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []


def finished(folder):
    """uids that are done, each as often as it stands there."""
    return sorted([line["uid"] for line in lines(folder)] + [line["uid"] for line in lines(folder, "set_aside") if not line.get("partial")])


def test_each_product_becomes_a_line_of_questions(tmp_path, capsys):
    with Server() as server:
        rows, counts = ask(server, tmp_path, 20, prices=(1.0, 10.0))
    assert finished(tmp_path) == [p["uid"] for p in products(20)] and counts == dict(BEGUN, qa=20)
    assert rows.column_names == ["uid", "question", "answer"] and len(rows) == 40
    assert {"uid": "B0007", "question": "What does it cost?", "answer": "7.50 pounds"} in list(rows)
    assert len(server.requests) == 20 and all(r.structured for r in server.requests) and server.most_at_once <= 4
    assert "20 products with 40 questions; set aside 0; tokens in all 2,000 in, 600 out, 0.01 dollars" in capsys.readouterr().out


@pytest.mark.parametrize("how", ["busy", "down", "hang", "cut"])
def test_a_fault_that_passes_costs_no_product(how, tmp_path):
    with Server({2: [how, how]}) as server:
        ask(server, tmp_path, timeout=1)
    assert finished(tmp_path) == [p["uid"] for p in products(4)] and lines(tmp_path, "set_aside") == []
    assert [r.how for r in server.asked(2)] == [how, how, "well"] and len(server.requests) == 6


def test_the_servers_wait_is_kept_by_all_threads(tmp_path):
    with Server({0: [("busy", 1)]}) as server:
        ask(server, tmp_path, 12, concurrency=2)
    at = [r.at for r in server.requests]
    assert server.asked(0)[1].at - server.asked(0)[0].at >= 0.95
    assert sum(0.2 < t - at[0] < 0.9 for t in at) == 0 and finished(tmp_path) == [p["uid"] for p in products(12)]


def test_a_wait_of_hours_ends_it_with_a_sentence(tmp_path):
    sentence = r"the server asks to wait 7,200 seconds \(status 429\): run this again then"
    with Server(always=("busy", 7200)) as server, pytest.raises(ReaderError, match=sentence):
        ask(server, tmp_path, 1)


@pytest.mark.parametrize("how, reason", [
    ("broken", "malformed: no JSON with a list of pairs in the reply"), ("half", "malformed: no JSON with a list of pairs in the reply"),
    ("nested", "malformed: no JSON with a list of pairs in the reply"),
    ("wrong schema", "wrong schema: JSON without a list of pairs"), ("no pair", "empty reply: no pair"),
    ("refusal", "refused: I cannot help with that."), ("filtered", "refused: by a content filter"), ("cut off", "cut off at the limit of tokens"),
    ("empty", "empty reply"), ("no choice", "empty reply"), ("page", "malformed: no chat completion in the server's reply"),
    ("not supported", "not supported: the answer does not stand in the product's text"),
    ("too long", "the server refused the request (400, context_length_exceeded)"), ("bad request", "the server refused the request (400)"),
])
def test_what_cannot_be_used_is_set_aside_with_its_reason(how, reason, tmp_path):
    with Server({1: [how] * 2}) as server:  # twice: a refused response_format is tried without
        ask(server, tmp_path)
        again = len(server.requests)
        ask(server, tmp_path)
    (line,) = lines(tmp_path, "set_aside")
    assert (line["uid"], line["reason"]) == ("B0001", reason) and finished(tmp_path) == [p["uid"] for p in products(4)]
    assert len(server.requests) == again == 4 + (how == "bad request")


def test_single_pairs_are_set_aside_and_the_others_stay(tmp_path):
    """Lists and dicts among the answers, as the real records have them."""
    with Server({0: ["dicts"], 1: ["partly"], 2: ["half a pair of surrogates"]}) as server:
        rows, counts = ask(server, tmp_path)
    assert finished(tmp_path) == [p["uid"] for p in products(4)] and len(rows) == 7 and counts["pairs set aside"] == 6
    reasons = {line["uid"]: [pair["reason"] for pair in line["pairs"]] for line in lines(tmp_path, "set_aside")}
    assert reasons["B0000"] == ["wrong schema: answer is dict", "wrong schema: answer is list", "wrong schema: pair is str"]
    assert reasons["B0001"] == ["not supported: the answer does not stand in the product's text", "asked twice", "empty question"]


@pytest.mark.parametrize("settings", [{"always": "in words"}, {"always": "a list"}, {"always": "in words", "formats": "refused"}])
def test_a_server_without_structured_output_will_do(settings, tmp_path):
    with Server(**settings) as server:
        ask(server, tmp_path, 8, concurrency=1)
    assert len(lines(tmp_path)) == 8 and lines(tmp_path, "set_aside") == []
    assert sum(r.structured for r in server.requests) == (1 if "formats" in settings else 8)  # it is not tried again
    assert len(server.requests) == 8 + ("formats" in settings)


@pytest.mark.parametrize("how, sentence", [
    ("bad key", r"the server refuses the key \(401\): put a valid one into Colab's secrets or the environment as OPENAI_API_KEY"),
    ("not allowed", r"the key may not use the model 'a-model' here \(403\)"), ("no model", r"the server knows no model 'a-model' \(404\)"),
    ("no quota", r"the account of this key is out of quota \(429\): add credit"),
    ("bad request", r"the server refused the request \(400\), three times: see that the server knows the model 'a-model'"),
    ("page", "malformed: no chat completion in the server's reply, three times: see that .* base_url"),
    ("down", "no answer to 3 products one after the other .status 500.: see that .* the network"),
])
def test_what_the_reader_must_mend_stops_it_in_one_sentence_and_keeps_what_is_made(how, sentence, tmp_path):
    with Server() as server:
        ask(server, tmp_path, 3, model="another")
        server.always = how
        with pytest.raises(ReaderError, match=sentence) as stopped:
            ask(server, tmp_path, 100, concurrency=2, retries=1)
    assert "\n" not in str(stopped.value) and finished(tmp_path) == [p["uid"] for p in products(3)]
    assert len(server.requests) < 20  # at once: not a hundred times


def test_nobody_at_the_address_is_said_soon(tmp_path):
    with pytest.raises(ReaderError, match="no answer to any product: see that .* base_url"):
        generate_qa(products(2), model="m", folder=tmp_path, base_url="http://127.0.0.1:9/v1", timeout=0.5)


def test_a_product_without_an_answer_is_asked_again_next_time(tmp_path, capsys):
    with Server({1: ["down"] * 3}) as server:
        _, counts = ask(server, tmp_path, retries=2)
        assert counts["unanswered"] == 1 and "no answer yet for 1: run this again" in capsys.readouterr().out
        ask(server, tmp_path, retries=2)
    assert finished(tmp_path) == [p["uid"] for p in products(4)] and len(server.requests) == 7


CHILD = """
import sys
from test_asking import ask, products
from types import SimpleNamespace
ask(SimpleNamespace(address=sys.argv[1]), __import__("pathlib").Path(sys.argv[2]), 200, concurrency=8)
"""


def test_killed_half_way_and_started_again_nothing_is_lost_and_nothing_double(tmp_path):
    script = {i: ["partly"] for i in range(0, 200, 7)} | {i: ["refusal"] for i in range(3, 200, 20)} | {i: ["down"] for i in range(5, 200, 50)}
    with Server(script, delay=0.02) as server:
        child = subprocess.Popen([sys.executable, "-c", CHILD, server.address, str(tmp_path)], cwd=REPOSITORY / "tests", stderr=subprocess.DEVNULL,
                                 env=os.environ | {"PYTHONPATH": str(REPOSITORY)}, stdout=subprocess.DEVNULL)
        while len(server.requests) < 100 and child.poll() is None:
            time.sleep(0.01)
        child.send_signal(signal.SIGKILL)
        child.wait()
        time.sleep(0.2)  # what was under way there comes to its end
        before, asked = set(finished(tmp_path)), [r.product for r in server.requests if r.how != "down"]
        assert 50 < len(before) < 150 and len(asked) - len(before) <= 8
        with open(tmp_path / "qa.jsonl", "ab") as file:  # the harshest kill: in the middle of a line
            file.write(b'{"uid": "B0199", "model": "a-mod')
        server.requests.clear()
        ask(server, tmp_path, 200)
    again = [r.product for r in server.requests if r.how != "down"]
    assert finished(tmp_path) == [p["uid"] for p in products(200)]  # none lost, none double
    assert sorted(again) == sorted(set(range(200)) - {int(uid[1:]) for uid in before})  # each that was not done, once
    partial = [line["uid"] for line in lines(tmp_path, "set_aside") if line.get("partial")]
    assert len(partial) == len(set(partial)) and set(partial) <= {line["uid"] for line in lines(tmp_path)}


def test_an_end_between_the_two_lines_of_a_product_leaves_no_half(tmp_path, monkeypatch):
    add = replies.Journal.add

    def last(*line):
        add(*line)
        raise SystemError("the machine went off")

    with Server({0: ["partly"] * 2}) as server:
        with monkeypatch.context() as patch, pytest.raises(SystemError):
            patch.setattr(replies.Journal, "add", last)
            ask(server, tmp_path, 1)
        ask(server, tmp_path, 1)
    assert finished(tmp_path) == ["B0000"] and len(lines(tmp_path, "set_aside")) == 1 and len(server.requests) == 2


def test_each_line_is_on_the_disk_before_the_next_and_a_full_disk_is_said(tmp_path, monkeypatch):
    synced, sync = [], os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: synced.append(sync(file)))
    with Server() as server:
        ask(server, tmp_path, 5)
        assert len(synced) == 5
        with monkeypatch.context() as patch, pytest.raises(ReaderError, match="qa.jsonl could not be written .*; what was saved before is intact"):
            def full(file):
                raise OSError(28, "No space left on device")
            patch.setattr("helpers.runs.PAUSE", 0)
            patch.setattr(os, "fsync", full)
            ask(server, tmp_path, 9, concurrency=1)
        ask(server, tmp_path, 9)
    assert finished(tmp_path) == [p["uid"] for p in products(9)] and len(server.requests) <= 10


def test_the_stop_button_keeps_what_is_made(tmp_path):
    with Server(delay=0.05) as server:
        def press(*_):
            if len(lines(tmp_path)) >= 6:
                signal.setitimer(signal.ITIMER_REAL, 0)
                os.kill(os.getpid(), signal.SIGINT)
        before = signal.signal(signal.SIGALRM, press)
        signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
        try:
            with pytest.raises(Stopped, match=r"you stopped with \d+ of 60 products to ask; what was made is kept: run this cell again"):
                ask(server, tmp_path, 60)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        assert 6 <= len(lines(tmp_path)) == len(server.requests) < 60  # what was under way is waited for: it is paid
        ask(server, tmp_path, 60)
    assert finished(tmp_path) == [p["uid"] for p in products(60)] and len(server.requests) == 60
