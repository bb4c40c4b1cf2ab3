"""Stands between Schemathesis and the service and does one thing wrong: `planted.py FAULT SERVICE_URL`. Says on standard output where it listens.

Each fault is one that the service could have. A run of Schemathesis that does not find it proves nothing by finding nothing.
"""

import http.client
import http.server
import json
import re
import socket
import sys
import threading
import urllib.parse

ITEM = re.compile(r"^/v2/(personas|styles|pikzonality)/[0-9a-f-]{36}$")
# What a fault has to remember: the keys that were seen, and answers by target.
keys, seen, lock = [], {}, threading.Lock()


class Exchange:
    """A request on its way to the service, and its answer on the way back."""

    def __init__(self, method, target, headers, body):
        self.method, self.target, self.headers, self.body = method, target, headers, body
        self.path = target.split("?")[0]
        self.status, self.answer_headers, self.answer = 0, [], b""

    def send(self):
        connection = http.client.HTTPConnection(service.hostname, service.port, timeout=60)
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.putrequest(self.method, self.target, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers:
            connection.putheader(name, value)
        connection.endheaders(self.body)
        response = connection.getresponse()
        self.answer = response.read()
        self.status, self.answer_headers = response.status, response.getheaders()
        connection.close()

    def header(self, name):
        return next((value for each, value in self.headers if each.lower() == name.lower()), None)

    def set_header(self, name, value):
        self.headers = [each for each in self.headers if each[0].lower() != name.lower()] + [(name, value)]

    def drop_answer_header(self, name):
        self.answer_headers = [each for each in self.answer_headers if each[0].lower() != name.lower()]

    @property
    def json(self):
        try:
            return json.loads(self.answer)
        except ValueError:
            return None

    def change(self, **members):
        if isinstance(self.json, dict):
            self.answer = json.dumps({**self.json, **members}).encode()

    def change_request(self, change):
        try:
            body = json.loads(self.body or b"null")
        except ValueError:
            return
        if isinstance(body, dict):
            self.body = json.dumps(change(body)).encode()
            self.set_header("Content-Length", str(len(self.body)))

    def refuse(self, status, code):
        self.status, self.answer_headers = status, [("Content-Type", "application/json"), *self.standard_headers()]
        self.answer = json.dumps({"error": {"code": code, "message": "Planted"}, "request_id": "planted"}).encode()

    def standard_headers(self):
        names = {"x-request-id", "cache-control", "x-content-type-options", "content-security-policy", "vary", "ratelimit", "ratelimit-policy"}
        return [each for each in self.answer_headers if each[0].lower() in names]


# Faults before the request: what they change, the service never sees.


def invalid_name_accepted(exchange):
    """A name of any length and any characters is taken."""
    exchange.change_request(
        lambda body: {**body, "name": re.sub(r"[^A-Za-z0-9 _-]", "", body["name"])[:25] or "x"} if isinstance(body.get("name"), str) else body
    )


def limit_of_zero_accepted(exchange):
    """A page of no items may be asked for."""
    exchange.target = re.sub(r"limit=(0|-\d+)(?=&|$)", "limit=1", exchange.target)


def key_not_needed(exchange):
    """Who has no key reads as somebody who has one."""
    key = exchange.header("X-Api-Key")
    if key is None and keys and exchange.method == "GET":
        exchange.set_header("X-Api-Key", keys[0])


def valid_instructions_refused(exchange):
    """Instructions may have 200 characters instead of 300."""
    exchange.change_request(lambda body: {**body, "special_instructions": 7} if len(str(body.get("special_instructions"))) > 200 else body)


# Faults after the answer.


def internal_error(exchange):
    """Instructions beyond ASCII are an internal error."""
    if exchange.method in ("POST", "PATCH") and re.search(rb"\\u[0-9a-f]{4}|[\x80-\xff]", exchange.body or b"") and exchange.status < 300:
        exchange.refuse(500, "INTERNAL_ERROR")


def wrong_status(exchange):
    """A deletion is answered with 202."""
    if exchange.method == "DELETE" and exchange.status == 200:
        exchange.status = 202


def undocumented_code(exchange):
    """What is not there is told by another code."""
    if exchange.status == 404 and ITEM.match(exchange.path):
        exchange.refuse(404, "GONE")


def missing_tag(exchange):
    """A single item comes without its tag."""
    if exchange.method == "GET" and ITEM.match(exchange.path):
        exchange.drop_answer_header("ETag")


def missing_request_id(exchange):
    """A refusal has no id."""
    if exchange.status == 400:
        exchange.drop_answer_header("X-Request-Id")


def missing_challenge(exchange):
    """A 401 does not say how to present a key."""
    exchange.drop_answer_header("WWW-Authenticate")


def undocumented_header(exchange):
    """An answer has a header that nobody knows."""
    exchange.answer_headers.append(("X-Debug", "1"))


def progress_as_text(exchange):
    """Progress is a text."""
    if exchange.status < 300 and isinstance(exchange.json, dict) and "progress" in exchange.json:
        exchange.change(progress=str(exchange.json["progress"]))


def null_left_out(exchange):
    """A member that is null is left out."""
    if exchange.status < 300 and isinstance(exchange.json, dict):
        exchange.answer = json.dumps({name: value for name, value in exchange.json.items() if value is not None}).encode()


def images_while_processing(exchange):
    """The addresses of images are told before training has ended."""
    if isinstance(exchange.json, dict) and exchange.json.get("status") == "processing":
        exchange.change(portrait_url="http://127.0.0.1/media/" + "0" * 32)


def plain_text(exchange):
    """JSON is called text."""
    if exchange.status == 200 and exchange.path == "/v2/personas":
        exchange.drop_answer_header("Content-Type")
        exchange.answer_headers.append(("Content-Type", "text/plain"))


def no_allow(exchange):
    """A 405 does not say which methods there are."""
    exchange.drop_answer_header("Allow")


def wrong_allow(exchange):
    """A 405 tells of methods that there are not."""
    exchange.answer_headers = [(name, value + ", PUT" if name.lower() == "allow" else value) for name, value in exchange.answer_headers]


def not_found_for_methods(exchange):
    """A method that a path does not take is 404."""
    if exchange.status == 405:
        exchange.refuse(404, "NOT_FOUND")


def other_accounts_items(exchange):
    """The items of other accounts are shown."""
    if exchange.status == 404 and exchange.method == "GET" and ITEM.match(exchange.path):
        for key in keys:
            exchange.set_header("X-Api-Key", key)
            exchange.send()
            if exchange.status == 200:
                return


def deleted_items(exchange):
    """What was deleted is still shown."""
    if not ITEM.match(exchange.path):
        return
    place = (exchange.header("X-Api-Key"), exchange.path)
    if exchange.method == "GET" and exchange.status == 404 and place in seen:
        exchange.status, exchange.answer_headers, exchange.answer = seen[place]


def remember_before_deletion(exchange):
    if exchange.method == "DELETE" and ITEM.match(exchange.path):
        read = Exchange("GET", exchange.path, [each for each in exchange.headers if each[0].lower() in ("host", "x-api-key")], None)
        read.send()
        if read.status == 200:
            seen[(exchange.header("X-Api-Key"), exchange.path)] = (read.status, read.answer_headers, read.answer)


def created_items_missing(exchange):
    """What was created is not there yet when it is asked for."""
    identifier = exchange.path.rsplit("/", 1)[-1]
    if exchange.method == "GET" and ITEM.match(exchange.path) and exchange.status == 200 and seen.setdefault(identifier, 0) < 50:
        seen[identifier] += 1
        exchange.refuse(404, "NOT_FOUND")


BEFORE = [invalid_name_accepted, limit_of_zero_accepted, key_not_needed, valid_instructions_refused]
AFTER = [
    internal_error, wrong_status, undocumented_code, missing_tag, missing_request_id, missing_challenge, undocumented_header, progress_as_text,
    null_left_out, images_while_processing, plain_text, no_allow, wrong_allow, not_found_for_methods, other_accounts_items, deleted_items,
    created_items_missing,
]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # One packet an answer, at once.
    wbufsize = -1
    disable_nagle_algorithm = True

    def answer(self):
        length = int(self.headers.get("Content-Length") or 0)
        exchange = Exchange(self.command, self.path, list(self.headers.items()), self.rfile.read(length) if length else None)
        key = exchange.header("X-Api-Key")
        if fault in BEFORE:
            fault(exchange)
        if fault is deleted_items:
            remember_before_deletion(exchange)
        exchange.send()
        with lock:
            if key and key not in keys and exchange.status < 300:
                keys.append(key)
        if fault in AFTER:
            fault(exchange)
        self.send_response_only(exchange.status)
        for name, value in exchange.answer_headers:
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value)
        has_body = self.command != "HEAD" and exchange.status not in (204, 304)
        if exchange.status not in (204, 304):
            self.send_header("Content-Length", str(len(exchange.answer)))
        self.end_headers()
        if has_body:
            self.wfile.write(exchange.answer)
        self.wfile.flush()

    def __getattr__(self, name):
        if name.startswith("do_"):
            return self.answer
        raise AttributeError(name)

    def log_message(self, *arguments):
        pass


if __name__ == "__main__":
    if sys.argv[1:] == ["--list"]:
        print("\n".join(each.__name__ for each in BEFORE + AFTER))
        sys.exit()
    fault = next(each for each in BEFORE + AFTER if each.__name__ == sys.argv[1])
    service = urllib.parse.urlsplit(sys.argv[2])
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
