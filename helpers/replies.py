"""One product's question to a server: asked with patience, its reply judged, and what is finished on the disk at once."""

import contextlib
import email.utils
import json
import os
import random
import time
from concurrent.futures import CancelledError

import openai
from pydantic import BaseModel, ValidationError

from .runs import write_whole
from .runtime import ReaderError, shown
from .scoring import answer_in_context, normalise_answer

LONGEST_TEXT = 4_000  # characters of a product's text that are sent, and of a reply that are kept
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0  # seconds before a second try, which double up to the longest
LONGEST_RETRY_AFTER = 600.0  # seconds; a server that asks for more gets no second try today
OF_THE_TEXT = ("context_length_exceeded", "string_above_max_length", "content_filter", "content_policy_violation")  # codes that one product earns
ROLE = ("You write questions that customers of a shop ask about a product, with their answers. Every answer is copied word for word from the "
        "product's text, a few words long, such as a size, a colour, a material, an author, a number of pages or a price. Ask only what the "
        'text answers. Reply with JSON: {"pairs": [{"question": "...", "answer": "..."}]}')
NO_COMPLETION = "malformed: no chat completion in the server's reply"  # of the server or its address, not of a product
NEEDED = {"qa": {"uid", "model", "tokens", "pairs"}, "set_aside": {"uid", "tokens", "reason"}}  # of a line


class Pair(BaseModel):
    question: str
    answer: str


class Pairs(BaseModel):
    pairs: list[Pair]


def messages(product, questions):
    task = f"Write up to {questions} questions with their answers about this product.\n\n{product['cleaned'][:LONGEST_TEXT]}"
    return [{"role": "system", "content": ROLE}, {"role": "user", "content": task}]


class Unanswered(Exception):
    """A product got no answer this time; the next start asks again."""


class Asker:
    """One product's question to the server, with patience. ``stop``: an Event that ends the waiting."""

    def __init__(self, client, model, questions, retries, answer_tokens, stop):
        self.client, self.model, self.questions = client, model, questions
        self.retries, self.answer_tokens, self.stop = retries, answer_tokens, stop
        self.structured, self.reached, self.not_before = True, False, 0.0

    def __call__(self, product):
        """The journal's lines for a product: {"qa": line, "set_aside": line}, one of them or both; "refused" instead where it was the server."""
        try:
            return judge(self.patiently(product), product, self.model, self.questions)
        except openai.APIStatusError as error:
            reason = f"the server refused the request ({error.status_code}{f', {error.code}' if error.code in OF_THE_TEXT else ''})"
            line = {"uid": product["uid"], "reason": reason, "tokens": [0, 0]}
            return {"set_aside" if error.code in OF_THE_TEXT else "refused": line}

    def patiently(self, product):
        """The server's reply, after as many tries as it takes. The client's own retries end at waits of a minute or two, by its version, and
        cannot be told that an empty account stays empty; so they are off."""
        for attempt in range(self.retries + 1):
            if self.stop.wait(max(0.0, self.not_before - time.monotonic())):
                break
            try:
                reply = self.request(product)
                self.reached = True
                return reply
            except (openai.APIStatusError, openai.APIConnectionError) as error:
                status, pause = getattr(error, "status_code", 0), None
                if sentence := explain(error, self.model):
                    raise ReaderError(sentence) from None
                if status and status not in (408, 409, 429) and status < 500:
                    raise
                self.reached = self.reached or bool(status)
                why = f"status {status}" if status else "a time-out" if isinstance(error, openai.APITimeoutError) else "a broken connection"
                pause = retry_after(error.response.headers) if status else None
                if not self.reached and attempt >= 2:
                    break  # nobody has ever answered there: an address that is wrong should not take a minute to say so
            if pause is not None and pause > LONGEST_RETRY_AFTER:
                raise ReaderError(f"the server asks to wait {pause:,.0f} seconds (status {status}): run this again then; what was made stays")
            if pause is not None:  # it holds for all threads, which share the limit
                self.not_before = max(self.not_before, time.monotonic() + pause)
            elif attempt < self.retries:
                self.stop.wait(min(LONGEST_WAIT, FIRST_WAIT * 2**attempt) * random.uniform(0.75, 1))
        raise CancelledError if self.stop.is_set() else Unanswered(why)

    def request(self, product):
        """One reply, not yet parsed; a server that refuses ``response_format`` is asked without it, now and from then on."""
        settings = {"model": self.model, "messages": messages(product, self.questions), "max_completion_tokens": self.answer_tokens}
        api = self.client.chat.completions.with_raw_response  # raw, so that what its parser refuses is still there to be read
        if self.structured:
            try:
                return api.parse(response_format=Pairs, **settings)
            except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
                if error.code in OF_THE_TEXT:
                    raise
        reply = api.create(**settings)
        self.structured = False
        return reply


def retry_after(headers):
    """Seconds that a server asks to wait, or None."""
    with contextlib.suppress(ValueError, TypeError):
        if "retry-after-ms" in headers:
            return max(0.0, float(headers["retry-after-ms"]) / 1000)
        text = headers.get("retry-after", "")
        return max(0.0, float(text) if text.replace(".", "", 1).isdigit() else email.utils.parsedate_to_datetime(text).timestamp() - time.time())


def explain(error, model):
    """The sentence for what stops everything, else None; it quotes nothing of the error, which may hold the key."""
    status, codes = getattr(error, "status_code", 0), {getattr(error, "code", None), getattr(error, "type", None)}
    return {401: "the server refuses the key (401): put a valid one into Colab's secrets or the environment as OPENAI_API_KEY",
            403: f"the key may not use the model {model!r} here (403): allow it on the provider's page, or choose another model",
            404: f"the server knows no model {model!r} (404): see its list of models, and base_url if you set one",
            429: "the account of this key is out of quota (429): add credit on the provider's page, then run this again; what was made stays"
            if "insufficient_quota" in codes else None}.get(status)


def judge(reply, product, model, questions):
    """A reply -> {"qa": line, "set_aside": line} or one of them: pairs that the product's text supports, and the rest with its reason.

    "refused" stands for "set_aside" where the reply is no chat completion at all.
    """
    pairs, reason, tokens, text = [], "", [0, 0], reply.http_response.text
    try:
        body = json.loads(text)
        choice = (body["choices"] or [{"message": {}}])[0]
        message, usage = choice["message"], body.get("usage") or {}
        tokens, text = [int(usage.get(k) or 0) for k in ("prompt_tokens", "completion_tokens")], message.get("content") or ""
        end = choice.get("finish_reason")
        reason = (f"refused: {message['refusal'][:300]}" if message.get("refusal") else "refused: by a content filter" if end == "content_filter"
                  else "cut off at the limit of tokens" if end == "length" else "empty reply" if not text.strip() else "")
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        reason = NO_COMPLETION
    if not reason:
        with contextlib.suppress(ValueError, TypeError, AttributeError):  # the client's parser refuses the whole for one bad pair
            pairs = [pair.model_dump() for pair in reply.parse().choices[0].message.parsed.pairs]
        pairs, reason = (pairs, "") if pairs else pairs_in(text)
    good, bad = sift(pairs[:questions], product["cleaned"][:LONGEST_TEXT])
    line = {"uid": product["uid"], "model": model, "tokens": tokens}
    found = {"qa": line | {"pairs": good}} if good else {}
    if not good:
        reason = reason or (bad[0]["reason"] if bad else "empty reply: no pair")
        found["refused" if reason == NO_COMPLETION else "set_aside"] = line | {"reason": reason, "reply": text[:LONGEST_TEXT], "pairs": bad}
    elif bad:
        found["set_aside"] = line | {"partial": True, "reason": f"{len(bad)} of {len(good) + len(bad)} pairs", "pairs": bad}
    return found


def pairs_in(text):
    """(entries, reason): what a server without structured output wrote as JSON somewhere in its text, each entry still to be checked."""
    reason, start = "malformed: no JSON with a list of pairs in the reply", 0
    for _ in range(100):  # a reply of brackets only should not take minutes
        start = min((i for i in (text.find("{", start), text.find("[", start)) if i >= 0), default=len(text))
        try:
            value, start = json.JSONDecoder().raw_decode(text, start)
        except (ValueError, RecursionError):
            start += 1
            continue
        entries = value.get("pairs") if isinstance(value, dict) else value
        if isinstance(entries, list) and (isinstance(value, dict) or any(isinstance(e, dict) for e in entries)):
            return entries, ""
        if "question" not in value:  # else a pair of a list that broke off
            reason = "wrong schema: JSON without a list of pairs"
    return [], reason


def sift(entries, text):
    """(pairs that can be used, the others with their reasons)."""
    good, bad, seen = [], [], set()
    for entry in entries:
        try:
            pair = Pair.model_validate(entry).model_dump()
        except ValidationError as error:
            fault = error.errors()[0]
            bad.append({"entry": entry, "reason": f"wrong schema: {'.'.join(map(str, fault['loc'])) or 'pair'} is {type(fault['input']).__name__}"})
            continue
        pair = {name: " ".join(value.split()) for name, value in pair.items()}
        question = normalise_answer(pair["question"])
        reason = ("empty question" if not question else "empty answer" if not normalise_answer(pair["answer"]) else "asked twice" if question in seen
                  else "" if answer_in_context(pair["answer"], text) else "not supported: the answer does not stand in the product's text")
        seen.add(question)
        (bad if reason else good).append(pair | ({"reason": reason} if reason else {}))
    return good, bad


class Journal:
    """What is finished, in ``qa.jsonl`` and ``set_aside.jsonl``: ``lines`` {"qa" or "set_aside": {uid: line}}.

    A line that a kill cut off is dropped, and so is a note on single pairs ("partial") of a product that is not finished.
    """

    def __init__(self, folder):
        self.files, self.lines = {name: folder / f"{name}.jsonl" for name in ("qa", "set_aside")}, {"qa": {}, "set_aside": {}}
        for name, file in self.files.items():
            found = file.read_bytes() if file.exists() else b""
            for text in found.splitlines():
                with contextlib.suppress(ValueError, TypeError, AttributeError):
                    line = json.loads(text)
                    if NEEDED[name] <= line.keys() and (not line.get("partial") or line["uid"] in self.lines["qa"]):
                        self.lines[name].setdefault(line["uid"], line)
            if found != b"".join(map(as_line, self.lines[name].values())):
                print(f"{shown(file, 2)}: what was cut off or stood there twice was dropped; what is missing is asked again")
                self.write(name)

    @property
    def done(self):
        return self.lines["qa"].keys() | {uid for uid, line in self.lines["set_aside"].items() if not line.get("partial")}

    def write(self, name):
        """A whole file anew."""
        text = b"".join(map(as_line, self.lines[name].values()))
        write_whole(self.files[name], lambda temporary: temporary.write_bytes(text), len(text))

    def add(self, name, line):
        """Append a line; it is on the disk when this returns."""
        text = as_line(line)
        self.lines[name][line["uid"]] = json.loads(text)
        try:
            self.files[name].parent.mkdir(parents=True, exist_ok=True)
            with open(self.files[name], "ab") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        except OSError:  # half a line may be there: the whole file anew, or a sentence
            self.write(name)


def as_line(line):
    return json.dumps(line, ensure_ascii=False).encode(errors="replace") + b"\n"  # half a surrogate pair: JSON has it, UTF-8 not
