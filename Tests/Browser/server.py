"""The real service for a test in a browser that controls it: its process, its command line, its API behind the page's back, and a training worker."""

import base64
import ctypes
import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

from pictures import png

SECONDS_TO_START = 30
SECONDS_TO_STOP = 20
SECONDS_TO_ANSWER = 70


def eventually(what, found, seconds=30):
    """Asks again and again until something is there, which is then the answer.

    Meanwhile no page is heard, nor are its requests answered by the test, unless what is asked for asks the page: see `Console.eventually`.
    """
    deadline = time.monotonic() + seconds
    while True:
        answer = found()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.05)


@dataclasses.dataclass
class Key:
    """A key as it was issued."""

    id: str
    secret: str
    account: str


@dataclasses.dataclass
class Answer:
    """What came back for one request."""

    status: int
    headers: dict
    text: str

    @property
    def json(self):
        return json.loads(self.text)


class Server:
    """A data folder of its own and the service on it, which is gone with the end of the `with` statement.

    The first start picks the port, and every later one listens there again.
    """

    def __init__(self, given, *arguments, trainer="worker"):
        self.binary, self.arguments = given["personas"], ["--trainer", trainer, "--drain-seconds", "0", "--grace-seconds", "1", *arguments]
        self.process, self.port = None, 0

    def __enter__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="console-")
        self.folder = pathlib.Path(self._folder.name)
        self.start()
        return self

    def __exit__(self, *_):
        if self.process:
            self.kill()
        self._folder.cleanup()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self, *arguments):
        """Starts it and waits until it listens; further arguments hold for this start alone."""
        log = self.folder / "log"
        begin = log.stat().st_size if log.exists() else 0
        command = [self.binary, "serve", "--port", str(self.port), "--data", str(self.folder / "data"), *self.arguments, *arguments]
        with log.open("ab") as stream:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, env=_environment(), preexec_fn=_die_along)

        def address():
            if self.process.poll() is not None:
                raise AssertionError(f"the service ended instead of listening: {log.read_text()[-2000:]}")
            return next((line["address"] for line in self._lines(begin) if line.get("message") == "listening"), None)

        self.port = int(eventually("the service listens", address, SECONDS_TO_START).rsplit(":", 1)[1])

    def stop(self):
        """Stops it as an operator does."""
        self._end(signal.SIGTERM)

    def kill(self):
        """Ends it as the loss of its machine would."""
        self._end(signal.SIGKILL)

    def restart(self, *arguments):
        """Kills it and starts it again, on the same port and data."""
        self.kill()
        self.start(*arguments)

    def command(self, *arguments):
        """Runs a command on its data, beside it or without it; the answer is what the command printed."""
        command = [self.binary, *arguments, "--data", str(self.folder / "data")]
        done = subprocess.run(command, env=_environment(), capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            raise AssertionError(f"{arguments}: {done.returncode} {done.stdout}{done.stderr}")
        return done.stdout

    def key(self, account="acme", scopes="read,write"):
        """Makes an account, unless it is there, and a key for it."""
        if account not in [known["name"] for known in json.loads(self.command("accounts", "list", "--json"))]:
            self.command("accounts", "create", account)
        issued = json.loads(self.command("keys", "create", "--account", account, "--scopes", scopes, "--json"))
        return Key(issued["id"], issued["key"], account)

    def requests(self, method=None, route=""):
        """The requests that it answered, as its log has them a moment later; `route` is how theirs begins, such as `/v2/personas/{id}`."""
        lines = [line for line in self._lines(0) if line.get("message") == "request"]
        return [line for line in lines if method in [None, line["method"]] and line.get("route", "").startswith(route)]

    def metric(self, name):
        """The value of a metric without labels, as it is at the moment."""
        with urllib.request.urlopen(f"{self.address}/metrics", timeout=SECONDS_TO_ANSWER) as answer:
            return next(float(line.split()[1]) for line in answer.read().decode().splitlines() if line.startswith(f"{name} "))

    def _lines(self, begin):
        for line in (self.folder / "log").read_bytes()[begin:].splitlines():
            try:
                yield json.loads(line)
            except ValueError:
                # The last line may not be whole yet.
                continue

    def _end(self, number):
        process, self.process = self.process, None
        process.send_signal(number)
        process.wait(SECONDS_TO_STOP)


class Client:
    """Calls the API with a key, to prepare and to verify behind the page's back."""

    def __init__(self, server, key):
        self.server, self.key = server, key

    def call(self, method, path, json_body=None, headers=None):
        """Sends a request; the answer may be an error."""
        data = None if json_body is None else json.dumps(json_body).encode()
        request = urllib.request.Request(self.server.address + path, data=data, method=method)
        for name, value in {"X-Api-Key": self.key.secret, "Content-Type": "application/json", **(headers or {})}.items():
            request.add_header(name, value)
        try:
            with urllib.request.urlopen(request, timeout=SECONDS_TO_ANSWER) as answer:
                return Answer(answer.status, dict(answer.headers.items()), answer.read().decode())
        except urllib.error.HTTPError as error:
            return Answer(error.code, dict(error.headers.items()), error.read().decode())

    def expect(self, status, method, path, json_body=None, headers=None):
        """Sends a request that has to be answered with a status; the answer is the body."""
        answer = self.call(method, path, json_body, headers)
        if answer.status != status:
            raise AssertionError(f"{method} {path}: {answer.status} {answer.text}")
        return answer.json if answer.text else None

    def create(self, name, mode="persona", seed=0, images=None, **members):
        """Creates a persona or a style with three pictures."""
        images = images or [png(48, 48, seed * 3 + index) for index in range(3)]
        body = {"name": name, "image_base64s": [base64.b64encode(image).decode() for image in images], **members}
        return self.expect(201, "POST", f"/v2/{mode}s", body)

    def item(self, id):
        """A persona or style, in full."""
        for mode in ["personas", "styles"]:
            answer = self.call("GET", f"/v2/{mode}/{id}")
            if answer.status == 200:
                return answer.json
        return None

    def items(self, mode="persona", query=""):
        """The first hundred personas or styles."""
        return self.expect(200, "GET", f"/v2/{mode}s?limit=100&{query}")["data"]

    def named(self, name, mode="persona"):
        """All items of a name, of which there may never be two."""
        return [item for item in self.items(mode) if item["name"] == name]

    def trash(self):
        return self.expect(200, "GET", "/v2/trash")["data"]

    def to_trash(self, item):
        self.expect(200, "DELETE", f"/v2/{item['mode']}s/{item['id']}?to=trash")

    def until(self, id, status):
        """Waits until an item has a status."""
        return eventually(f"{id} is {status}", lambda: (item := self.item(id)) and item["status"] == status and item)


class Worker:
    """A training worker that does what the test says, and nothing else."""

    def __init__(self, server, account="acme"):
        self.client = Client(server, server.key(account, "trainer"))

    def lease(self):
        """The next job that waits; one is expected."""
        return self.client.expect(200, "POST", "/v2/training/lease", {"wait_seconds": 10})

    def progress(self, job, percent):
        """Says how far a job is; the answer tells whether it was cancelled."""
        return self._send(job, "heartbeat", {"progress": percent})

    def complete(self, job):
        return self._send(job, "complete", {})

    def fail(self, job, code="GENERATION_FAILED", message="The photographs show different people", retryable=False):
        return self._send(job, "fail", {"code": code, "message": message, "retryable": retryable})

    def train(self, *items):
        """Completes the jobs of items, whose turn has to come before that of any other."""
        wanted = {item["id"] for item in items}
        while wanted:
            job = self.lease()
            self.complete(job)
            wanted.discard(item_of(job))

    def _send(self, job, call, body):
        return self.client.expect(200, "POST", f"/v2/training/{job['job_id']}/{call}", {"lease_token": job["lease_token"], **body})


def item_of(job):
    """The id of the item that a job trains."""
    return job["pikzonality"]["id"]


def _environment():
    return {name: value for name, value in os.environ.items() if not name.startswith("PERSONAS_")}


def _die_along():
    # A test that is cut off after its time runs no `finally`: the kernel ends what it has started.
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
