"""A small server on loopback that speaks OpenAI's chat completions to the real client: it answers well, or as a test tells it to.

Products are told apart by the words "Product 17." in the question; what a good reply says of it stands in its text. `Server.requests` keeps all.
"""

import contextlib
import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

WELL = {"pairs": [{"question": "How high is it?", "answer": "{n} cm"}, {"question": "What does it cost?", "answer": "{n}.50 pounds"}]}
ERRORS = {  # how a request is refused: status, code, type
    "busy": (429, "rate_limit_exceeded", "requests"),
    "no quota": (429, "insufficient_quota", "insufficient_quota"),
    "down": (500, None, "server_error"),
    "bad key": (401, "invalid_api_key", "invalid_request_error"),
    "not allowed": (403, None, "invalid_request_error"),
    "no model": (404, "model_not_found", "invalid_request_error"),
    "bad request": (400, None, "invalid_request_error"),
    "too long": (400, "context_length_exceeded", "invalid_request_error"),
}
CONTENTS = {  # what a reply holds, by behaviour; a choice with a content, if nothing else is said
    "well": json.dumps(WELL),
    "in words": "Here you are [as asked]:\n```json\n" + json.dumps(WELL, indent=1) + "\n```\nAnything else?",
    "a list": json.dumps(WELL["pairs"]),
    "broken": json.dumps(WELL)[:40],
    "half": json.dumps(WELL)[:80],
    "wrong schema": json.dumps({"items": WELL["pairs"]}),
    "dicts": json.dumps({"pairs": [*WELL["pairs"], {"question": "What is it?", "answer": {"height": "{n} cm", "use": ["tea"]}},
                                   {"question": "Which ones?", "answer": ["red", "blue"]}, "a pair"]}),
    "not supported": json.dumps({"pairs": [{"question": "Who made it?", "answer": "Leonardo da Vinci"}]}),
    "partly": json.dumps({"pairs": [*WELL["pairs"], {"question": "Who made it?", "answer": "Leonardo da Vinci"},
                                    {"question": "how high is it", "answer": "{n} cm"}, {"question": " ", "answer": "{n} cm"}]}),
    "no pair": '{"pairs": []}',
    "nested": "[" * 5_000,
    "half a pair of surrogates": '{"pairs": [{"question": "How high is it? \\ud83d", "answer": "{n} cm"}]}',
}
CHOICES = {
    "refusal": {"message": {"role": "assistant", "content": None, "refusal": "I cannot help with that."}, "finish_reason": "stop"},
    "filtered": {"message": {"role": "assistant", "content": ""}, "finish_reason": "content_filter"},
    "cut off": {"message": {"role": "assistant", "content": json.dumps(WELL)[:40]}, "finish_reason": "length"},
    "empty": {"message": {"role": "assistant", "content": ""}, "finish_reason": "stop"},
}


class Request(NamedTuple):
    product: int
    how: str  # the behaviour that met it
    key: str  # as shown in the Authorization header
    structured: bool  # response_format was sent
    at: float


class Server(ThreadingHTTPServer):
    """``with Server({17: ["busy", "down"]}) as server:`` meets product 17 so, twice, and then with ``always``; serves at ``server.address``.

    A behaviour is a key of `ERRORS`, `CONTENTS` or `CHOICES`, "hang" (longer than a test waits), "cut" (the connection breaks in the middle),
    "page" (some web page), "no choice", or ("busy", seconds) with a Retry-After. formats: "refused" answers 400 to any response_format.
    """

    daemon_threads = True

    def __init__(self, script=None, always="well", formats="taken", delay=0.0):
        super().__init__(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server_address[1]}/v1"
        self.script, self.always, self.formats, self.delay = {k: list(v) for k, v in (script or {}).items()}, always, formats, delay
        self.requests, self.lock, self.closed = [], threading.Lock(), threading.Event()
        self.at_once = self.most_at_once = 0

    def __enter__(self):
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.closed.set()
        self.shutdown()
        self.server_close()

    def asked(self, product):
        return [r for r in self.requests if r.product == product]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        number, server = int(re.search(r"Product (\d+)\.", body["messages"][-1]["content"])[1]), self.server
        with server.lock:
            how = server.script.get(number, []).pop(0) if server.script.get(number) else server.always
            if server.formats == "refused" and "response_format" in body:
                how = "bad request"
            server.requests.append(Request(number, how, self.headers.get("Authorization", ""), "response_format" in body, time.monotonic()))
            server.at_once += 1
            server.most_at_once = max(server.most_at_once, server.at_once)
        with contextlib.suppress(ConnectionError):  # the client had enough
            self.behave(how, number, body)
        with server.lock:
            server.at_once -= 1

    def behave(self, how, number, body):
        how, wait = how if isinstance(how, tuple) else (how, None)
        self.server.closed.wait(3.0 if how == "hang" else self.server.delay)
        if how in ERRORS:
            status, code, kind = ERRORS[how]
            words = f"Something is wrong, and here is your header: {self.headers.get('Authorization')}"  # some servers do that
            return self.answer(status, {"error": {"message": words, "type": kind, "code": code, "param": None}}, wait=wait)
        if how == "page":
            return self.answer(200, "<html>a web page</html>")
        choice = CHOICES.get(how) or {"message": {"role": "assistant", "content": CONTENTS.get(how, CONTENTS["well"]).replace("{n}", str(number))},
                                      "finish_reason": "stop"}
        self.answer(200, {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": body["model"],
                          "choices": [] if how == "no choice" else [{"index": 0, "logprobs": None} | choice],
                          "usage": {"prompt_tokens": 100, "completion_tokens": 30, "total_tokens": 130}}, cut=how == "cut")

    def answer(self, status, body, wait=None, cut=False):
        content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html" if isinstance(body, str) else "application/json")
        self.send_header("Content-Length", str(len(content)))
        if wait is not None:
            self.send_header("Retry-After", str(wait))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if cut else content)
        self.close_connection |= cut

    def log_message(self, *_):
        pass
