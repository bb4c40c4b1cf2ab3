#!/usr/bin/env python3
"""Keeps an exact copy of the personas and styles of one account by following GET /v2/events.

    PERSONAS_KEY=pkz_… python3 mirror.py http://127.0.0.1:8080 mirror.sqlite
    python3 mirror.py --show mirror.sqlite

It takes Python 3.9 and nothing else. The copy is a file of SQLite: `item` has what the lists have, `trash` what the trash has, each as the JSON that the
service tells. Kill the service or this program whenever you like: every event is written in one transaction together with its id, and whoever connects
again goes on behind that id. So each event counts once, however often it is told.

What a client of its own has to do, and where that is done here:

- The first time, and when the service says that the events after a known one are gone (`resync`), it fetches the lists and follows from the id that came
  with the word. Events from then on may tell of what the lists have already; as each tells how an item is after its change, that does no harm. (`reload`)
- It drops what is not newer than what it has. (`apply`)
- Of an item that is gone for good nobody is told any more what it was like, not by its earlier events either: their data is `{"id", "mode"}` alone, and
  the event `deleted` follows. (`apply`)
- It treats a connection as broken on which nothing comes for 30 seconds, because a ping comes every 12. (`SILENCE_MAX`)
- It waits before it connects again, as long as the service says: `retry`, or `Retry-After` where it has no place for a further stream.

Progress is told at most once a second for each item, so while an item is in training the number here may be a little behind. With --poll the same is done
without a stream, by asking for the list of events again and again.
"""

import argparse
import http.client
import json
import os
import sqlite3
import sys
import time
import urllib.parse

SILENCE_MAX = 30.0
SCHEMA = """
CREATE TABLE IF NOT EXISTS item (id TEXT PRIMARY KEY, data TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS trash (id TEXT PRIMARY KEY, data TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS position (only INTEGER PRIMARY KEY CHECK (only = 1), event_id TEXT NOT NULL, sequence INTEGER NOT NULL);
"""


class Mirror:
    """The copy."""

    def __init__(self, path):
        self.database = sqlite3.connect(path, isolation_level=None)
        self.database.execute("PRAGMA synchronous = FULL")
        self.database.executescript(SCHEMA)

    @property
    def event_id(self):
        """The id of the last event that is in the copy; None before the first."""
        row = self.database.execute("SELECT event_id FROM position").fetchone()
        return row and row[0]

    def reload(self, items, trash, event_id):
        """Takes the lists for the copy. They are at least as new as the event."""
        with Transaction(self.database):
            for table, rows in (("item", items), ("trash", trash)):
                self.database.execute(f"DELETE FROM {table}")
                for row in rows:
                    self._put(table, row["id"], row)
            self._advance(event_id)

    def apply(self, event, event_id):
        """Does what an event tells. Whether it was news."""
        with Transaction(self.database):
            row = self.database.execute("SELECT sequence FROM position").fetchone()
            if row and event["sequence"] <= row[0]:
                return False
            mode, _, kind = event["type"].partition(".")
            if mode in ("persona", "style"):
                self._apply(kind, event["data"])
            self._advance(event_id)
            return True

    def advance(self, event_id):
        """Notes that everything up to an event is in the copy."""
        with Transaction(self.database):
            self._advance(event_id)

    def _apply(self, kind, data):
        if kind != "deleted" and "status" not in data:
            return  # The item is gone meanwhile, which a later event tells.
        for table in ("item", "trash"):
            self.database.execute(f"DELETE FROM {table} WHERE id = ?", (data["id"],))
        if kind == "trashed":
            self._put("trash", data["id"], {name: data[name] for name in ("id", "mode", "name")})
        elif kind != "deleted":
            self._put("item", data["id"], data)

    def _put(self, table, key, data):
        self.database.execute(f"INSERT OR REPLACE INTO {table} VALUES (?, ?)", (key, json.dumps(data)))

    def _advance(self, event_id):
        # The sequence is the part of an id in front of the dot.
        sequence = int(event_id.split(".")[0])
        self.database.execute("INSERT OR REPLACE INTO position VALUES (1, ?, ?)", (event_id, sequence))

    def show(self):
        """All of it."""
        with Transaction(self.database):
            shown = {table: {} for table in ("item", "trash")}
            for table, rows in shown.items():
                for key, data in self.database.execute(f"SELECT id, data FROM {table}"):
                    rows[key] = json.loads(data)
            return {"event_id": self.event_id, "items": shown["item"], "trash": shown["trash"]}


class Transaction:
    """Everything within it, or nothing."""

    def __init__(self, database):
        self.database = database

    def __enter__(self):
        self.database.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind, *_):
        self.database.execute("COMMIT" if kind is None else "ROLLBACK")


class TryLater(Exception):
    """The service cannot answer at the moment."""

    def __init__(self, reason, seconds=None):
        super().__init__(reason)
        self.seconds = seconds


class Refused(Exception):
    """The service will not answer, however often it is asked."""


class Service:
    """The service."""

    def __init__(self, address, key):
        self.address = urllib.parse.urlsplit(address)
        self.key = key

    def get(self, path, **headers):
        """Opens an answer, which the caller closes."""
        kinds = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}
        connection = kinds[self.address.scheme](self.address.netloc, timeout=SILENCE_MAX)
        try:
            connection.request("GET", self.address.path.rstrip("/") + path, headers={"X-Api-Key": self.key, **headers})
            answer = connection.getresponse()
            if answer.status != 200:
                text = f"{path} answers {answer.status}: {answer.read(2000).decode(errors='replace')}"
                if answer.status in (408, 429) or answer.status >= 500:
                    raise TryLater(text, float(answer.headers.get("Retry-After", 1)))
                raise Refused(text)
            return connection, answer
        except (OSError, http.client.HTTPException) as problem:
            connection.close()
            raise TryLater(f"{path}: {problem!r}") from problem
        except BaseException:
            connection.close()
            raise

    def json(self, path, **query):
        """What a call answers."""
        connection, answer = self.get(path + "?" + urllib.parse.urlencode(query), Accept="application/json")
        try:
            return json.load(answer)
        except (OSError, http.client.HTTPException, ValueError) as problem:
            raise TryLater(f"{path}: {problem!r}") from problem
        finally:
            connection.close()

    def all(self, path):
        """All rows of a list, page by page."""
        rows, query = [], {"limit": 100}
        while True:
            page = self.json(path, **query)
            rows += page["data"]
            if not page.get("next_cursor"):
                return rows
            query["cursor"] = page["next_cursor"]

    def stream(self, event_id):
        """The events behind one, as they come: pairs of a name and fields. Ends when the connection does."""
        headers = {"Accept": "text/event-stream"}
        if event_id:
            headers["Last-Event-ID"] = event_id
        connection, answer = self.get("/v2/events", **headers)
        try:
            fields = {}
            for line in answer:
                if not line.endswith(b"\n"):
                    return  # Cut off: what has no end does not count.
                line = line.rstrip(b"\r\n").decode()
                if not line:
                    yield fields
                    fields = {}
                elif not line.startswith(":"):
                    name, _, value = line.partition(":")
                    value = value[1:] if value.startswith(" ") else value
                    fields[name] = fields["data"] + "\n" + value if name == "data" and "data" in fields else value
        except (OSError, http.client.HTTPException) as problem:
            raise TryLater(f"the stream broke: {problem!r}") from problem
        finally:
            connection.close()


class Follower:
    """Brings the one to the other."""

    def __init__(self, service, mirror, pause_max):
        self.service = service
        self.mirror = mirror
        self.pause_max = pause_max
        self.pause = pause_max

    def run(self, follow):
        """Goes on for ever."""
        while True:
            pause = None
            try:
                follow()
            except TryLater as problem:
                log(problem)
                pause = problem.seconds
            time.sleep(min(self.pause_max, self.pause if pause is None else pause))

    def stream(self):
        """Follows one connection to its end."""
        for fields in self.service.stream(self.mirror.event_id):
            if "retry" in fields:
                self.pause = int(fields["retry"]) / 1000
            name = fields.get("event")
            if name in ("ready", "resync"):
                log(f"{name} {fields.get('data', '')}: fetching the lists")
                self.reload(fields["id"])
            elif "data" in fields and "id" in fields:
                self.mirror.apply(json.loads(fields["data"]), fields["id"])

    def poll(self):
        """Asks for what is new, until there is no more of it."""
        if self.mirror.event_id is None:
            return self.reload(self.last_event_id())
        while True:
            page = self.service.json("/v2/events", after=self.mirror.event_id, limit=100)
            if page["gap"]:
                log("gap: fetching the lists")
                return self.reload(page["next_cursor"])
            epoch = page["next_cursor"].partition(".")[2]
            for event in page["data"]:
                self.mirror.apply(event, f"{event['sequence']}.{epoch}")
            self.mirror.advance(page["next_cursor"])
            if not page["has_more"]:
                return None

    def last_event_id(self):
        """The id of the latest event, which is where the pages of events end."""
        page = self.service.json("/v2/events", limit=100)
        while page["has_more"]:
            page = self.service.json("/v2/events", after=page["next_cursor"], limit=100)
        return page["next_cursor"]

    def reload(self, event_id):
        """Fetches everything anew."""
        self.mirror.reload(self.service.all("/v2/pikzonality"), self.service.all("/v2/trash"), event_id)


def log(text):
    """Tells a person."""
    print(f"mirror: {text}", file=sys.stderr, flush=True)


def main():
    """Reads the command line."""
    parser = argparse.ArgumentParser(description="Keeps an exact copy of an account by following its events.")
    parser.add_argument("address", nargs="?", help="where the service is; its key stands in the variable PERSONAS_KEY")
    parser.add_argument("file", help="the copy")
    parser.add_argument("--show", action="store_true", help="print the copy as JSON instead")
    parser.add_argument("--poll", action="store_true", help="ask for the list of events again and again instead of following a stream")
    parser.add_argument("--pause-max", type=float, default=30, help="seconds to wait at most before connecting or asking again")
    arguments = parser.parse_args()
    mirror = Mirror(arguments.file)
    if arguments.show:
        return print(json.dumps(mirror.show(), indent=1, sort_keys=True))
    key = os.environ.get("PERSONAS_KEY")
    if not key or not arguments.address:
        parser.error("it takes an address, and a key in the variable PERSONAS_KEY")
    follower = Follower(Service(arguments.address, key), mirror, arguments.pause_max)
    try:
        return follower.run(follower.poll if arguments.poll else follower.stream)
    except Refused as problem:
        return sys.exit(f"mirror: {problem}")
    except KeyboardInterrupt:
        return None


if __name__ == "__main__":
    main()
