"""Starts a cluster, keeps it, and does to it what it is asked for over a socket, until it is told to end."""
import json
import os
import secrets
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import base64

from parts import BUCKET, OWNER, REGION, ROOT, Failed, Nginx, Postgres, Replica, Store

TICK_SECONDS = 0.05
REQUEST_BYTES_MAX = 4096


def built():
    """The service as it was built last for use, else for tests."""
    for configuration in ("release", "debug"):
        path = os.path.join(ROOT, ".build", configuration, "personas")
        if os.access(path, os.X_OK):
            return path
    raise Failed("there is no executable: swift build -c release --product personas")


class Cluster:
    """All parts, and who of the databases is the primary."""

    def __init__(self, options):
        self.folder = os.path.abspath(options.folder)
        self.has_failover = options.failover
        self.replica_count = options.replicas
        self.binary = os.path.abspath(options.binary) if options.binary else built()
        self.flags = shlex.split(options.serve_flags)
        self.is_over = False
        # Short, because the path of a Unix socket may not be long, and open to the user that PostgreSQL runs as.
        self.place = tempfile.mkdtemp(prefix="personas-cluster-")
        os.chmod(self.place, 0o711)
        names = ("db-1",) if options.alone else ("db-1", "db-2")
        self.databases = [Postgres(name, self.folder, self.place) for name in names]
        self.primary = self.databases[0]
        self.standby = None
        self.store = Store(self.folder, options.store_port)
        hosts = ",".join(database.place for database in self.databases)
        secrets_key_file = os.path.join(self.folder, "secrets.key")
        with open(os.open(secrets_key_file, os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
            file.write(base64.b64encode(secrets.token_bytes(32)).decode())
        self.environment = {
            "PERSONAS_DATABASE": "postgres:///%s?host=%s&user=%s&target_session_attrs=read-write&connect_timeout=2" % (
                Postgres.database, hosts, Postgres.user),
            "PERSONAS_MEDIA": "s3://%s/images?endpoint=http://127.0.0.1:%d&region=%s" % (
                BUCKET, options.store_proxy or self.store.port, REGION),
            "PERSONAS_SECRETS_KEY_FILE": secrets_key_file, **OWNER,
        }
        self.replicas = []
        self.nginx = Nginx(self.folder, options.port, self.replicas)
        self.keys = {}

    @property
    def parts(self):
        return [*self.databases, self.store, *self.replicas, self.nginx]

    @property
    def url(self):
        return "http://127.0.0.1:%d" % self.nginx.port

    def start(self):
        """Brings everything up, one after the other as each needs the one before."""
        self.store.start()
        self.primary.make()
        self.primary.start()
        self.primary.await_ready()
        self.primary.query("CREATE DATABASE " + Postgres.database)
        for standby in self.databases[1:]:
            self.attach(standby)
        self.store.await_ready()
        if self.replica_count:
            self.personas("migrate", "up")
            self.personas("accounts", "create", "demo")
            for name, scopes in (("key", "read,write,billing"), ("trainer_key", "trainer")):
                self.keys[name] = json.loads(
                    self.personas("keys", "create", "--account", "demo", "--label", name, "--scopes", scopes, "--json"))["key"]
        for number in range(self.replica_count):
            name = "replica-%d" % (number + 1)
            self.replicas.append(Replica(name, self.folder, self.binary, self.environment, self.url, self.flags))
            self.replicas[-1].start()
        for replica in self.replicas:
            replica.await_ready()
        if self.replicas:
            self.nginx.start()
            self.nginx.await_ready()

    def personas(self, *arguments):
        """Runs a command of the service on the database. Returns what it wrote."""
        done = subprocess.run(
            [self.binary, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, env={**os.environ, **self.environment},
            timeout=120)
        if done.returncode != 0:
            raise Failed("personas %s ended with %d: %s" % (arguments[0], done.returncode, done.stderr.strip()))
        return done.stdout

    def attach(self, standby):
        """Has a server follow the primary, whose commits wait for it from then on."""
        standby.follow(self.primary)
        standby.start()
        standby.await_ready()
        self.primary.wait_for(standby)
        self.standby = standby

    def promote(self):
        """Makes the standby the primary. Whatever is left of the old one is ended first, as a watchdog would: two that take writes would be two
        truths."""
        if self.standby is None or not self.standby.is_alive:
            raise Failed("there is no standby that could be promoted")
        self.primary.kill()
        self.standby.promote()
        self.primary, self.standby = self.standby, None

    def rejoin(self):
        """Has the server that is not the primary follow it, beginning anew from a copy."""
        if self.standby is not None and self.standby.is_alive:
            raise Failed("%s follows already" % self.standby.name)
        other = next((database for database in self.databases if database is not self.primary), None)
        if other is None:
            raise Failed("there is one server alone")
        other.kill()
        self.attach(other)

    def part(self, name):
        roles = {"primary": self.primary, "standby": self.standby}
        found = roles.get(name) or next((part for part in self.parts if part.name == name), None)
        if found is None:
            raise Failed("there is no %s; there are %s" % (name, ", ".join(
                [part.name for part in self.parts] + [role for role, part in roles.items() if part])))
        return found

    def role(self, part):
        return "primary" if part is self.primary else "standby" if part is self.standby else None

    def report(self):
        """Everything that one has to know to use it."""
        return {
            "url": self.url, "folder": self.folder, **self.keys, "environment": self.environment, "binary": self.binary,
            "parts": [{
                "name": part.name, "state": part.state, "role": self.role(part), "pid": part.process.pid if part.is_alive else None,
                "url": getattr(part, "url", None), "port": getattr(part, "port", None), "place": getattr(part, "place", None), "log": part.log,
            } for part in self.parts],
        }

    def do(self, verb, names):
        """Does what somebody asks for."""
        if verb == "down":
            self.is_over = True
        elif verb == "promote":
            self.promote()
        elif verb == "rejoin":
            self.rejoin()
        elif verb == "sql":
            return {"rows": self.primary.query(" ".join(names), Postgres.database)}
        elif verb != "status":
            for name in names:
                part = self.part(name)
                if verb == "start":
                    if part in self.databases and part is not self.primary and part is not self.standby:
                        raise Failed("%s was the primary before, and comes back as a standby alone: rejoin" % part.name)
                    part.start()
                    part.await_ready()
                else:
                    {"kill": part.kill, "stop": part.hold, "continue": part.go_on, "end": part.end}[verb]()
        return self.report()

    def watch(self):
        """What goes on by itself: where failover is asked for, a primary that has ended is followed by its standby."""
        if self.has_failover and not self.primary.is_alive and self.standby is not None and self.standby.is_alive:
            self.promote()
            print("cluster: %s is the primary now" % self.primary.name, file=sys.stderr, flush=True)

    def close(self, keeps):
        for part in [self.nginx, *self.replicas]:
            part.end(seconds=5)
        for part in (self.primary, self.standby):
            if part is not None:
                part.end()
        for part in self.parts:
            part.end(signal.SIGKILL)
        if not keeps:
            shutil.rmtree(self.place, ignore_errors=True)
            shutil.rmtree(self.store.folder, ignore_errors=True)


def serve(cluster, socket_path, command):
    """Answers requests, one line each, until it is over or a command has ended. Returns the status to end with."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(socket_path)
    os.chmod(socket_path, 0o600)
    listener.listen(8)
    child = None
    if command:
        report = cluster.report()
        own = {"URL": report["url"], "KEY": report.get("key", ""), "CLUSTER": cluster.folder}
        child = subprocess.Popen(command, env={**os.environ, **cluster.environment, **own})
    while not cluster.is_over:
        if child is not None and child.poll() is not None:
            return child.returncode if child.returncode >= 0 else 128 - child.returncode
        cluster.watch()
        if not select.select([listener], [], [], TICK_SECONDS)[0]:
            continue
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(5)
            try:
                request = json.loads(connection.makefile("rb").readline(REQUEST_BYTES_MAX))
                answer = {"done": cluster.do(request["verb"], request["parts"])}
            except (Failed, OSError, subprocess.SubprocessError, ValueError, KeyError) as error:
                answer = {"failed": str(error)}
            try:
                connection.sendall(json.dumps(answer).encode() + b"\n")
            except OSError:
                pass
    if child is not None and child.poll() is None:
        child.terminate()
    return 0
