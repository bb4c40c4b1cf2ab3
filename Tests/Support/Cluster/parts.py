"""The programs that a cluster consists of: how each is started, found alive, and told from the others."""
import ctypes
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
NOBODY = 65534
REGION = "us-east-1"
OWNER = {"AWS_ACCESS_KEY_ID": "test:tester", "AWS_SECRET_ACCESS_KEY": "testing"}
BUCKET = "personas"
START_SECONDS_MAX = 60
PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)


class Failed(Exception):
    """Something that whoever uses the cluster has to know; its text is a sentence."""


def until(what, condition, seconds=START_SECONDS_MAX):
    """Asks until a condition holds. Returns what it returned."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed("%s did not happen within %d s" % (what, seconds))
        time.sleep(0.02)


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def is_open(port):
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def as_child(is_nobody):
    """What a child does before it becomes its program: it gives up rights where it has to, and dies with this process."""
    def prepare():
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        if is_nobody and os.geteuid() == 0:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        LIBC.prctl(PDEATHSIG, signal.SIGKILL)
    return prepare


class Part:
    """A program of the cluster, which can be killed, held and started again."""

    def __init__(self, name, folder):
        self.name = name
        self.log = os.path.join(folder, name + ".log")
        self.process = None
        self.is_held = False
        self.starts = 0

    def command(self):
        """What to run, and the variables it gets beside those of this process."""
        raise NotImplementedError

    def is_ready(self):
        raise NotImplementedError

    is_nobody = False

    def start(self):
        if self.is_alive:
            raise Failed("%s runs already" % self.name)
        command, environment = self.command()
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=dict(os.environ, **environment), cwd=os.path.dirname(self.log),
                preexec_fn=as_child(self.is_nobody), start_new_session=True)
        self.is_held = False
        self.starts += 1

    def await_ready(self):
        def look():
            if not self.is_alive:
                raise Failed("%s ended with %d; see %s" % (self.name, self.process.returncode, self.log))
            return self.is_ready()
        until("the start of " + self.name, look)

    @property
    def is_alive(self):
        return self.process is not None and self.process.poll() is None

    @property
    def pids(self):
        """All of its processes, the first one first."""
        if not self.is_alive:
            return []
        try:
            with open("/proc/%d/task/%d/children" % (self.process.pid, self.process.pid)) as children:
                return [self.process.pid] + [int(child) for child in children.read().split()]
        except OSError:
            return [self.process.pid]

    def send(self, number):
        for pid in self.pids:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    def kill(self):
        """Ends it as a power cut would."""
        self.send(signal.SIGKILL)
        if self.process is not None:
            self.process.wait()
        self.is_held = False

    def hold(self):
        self.send(signal.SIGSTOP)
        self.is_held = True

    def go_on(self):
        self.send(signal.SIGCONT)
        self.is_held = False

    def end(self, number=signal.SIGTERM, seconds=10):
        """Stops it as an operator does, and kills what does not stop."""
        if not self.is_alive:
            return
        self.send(signal.SIGCONT)
        os.kill(self.process.pid, number)
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()

    @property
    def state(self):
        if self.process is None:
            return "not started"
        return ("held" if self.is_held else "running") if self.is_alive else "ended"


class Postgres(Part):
    """A server of PostgreSQL, on a Unix socket in a folder of its own."""

    is_nobody = True
    user = "personas"
    database = "personas"

    def __init__(self, name, folder, place):
        super().__init__(name, folder)
        found = [os.path.join(ROOT, ".build/postgresql/usr/lib/postgresql/15/bin"), "/usr/lib/postgresql/15/bin"]
        self.programs = next((path for path in found if os.access(path + "/initdb", os.X_OK)), None)
        if self.programs is None:
            raise Failed("PostgreSQL is not there; .ci/test-tools unpacks it")
        self.place = os.path.join(place, name)
        self.data = self.place + "/data"
        os.mkdir(self.place, 0o700)
        if os.geteuid() == 0:
            os.chown(self.place, NOBODY, NOBODY)

    def run(self, program, *arguments):
        """Runs a program of PostgreSQL's to its end. Returns what it wrote."""
        done = subprocess.run(
            [os.path.join(self.programs, program), *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd="/",
            env={**os.environ, "PGCONNECT_TIMEOUT": "5"}, preexec_fn=as_child(True), timeout=120)
        if done.returncode != 0:
            raise Failed("%s ended with %d: %s" % (program, done.returncode, done.stderr.strip()))
        return done.stdout.strip()

    def make(self):
        """Makes a new server, with nothing in it."""
        self.run("initdb", "-D", self.data, "-U", self.user, "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8")

    def follow(self, primary):
        """Becomes the standby of another: a copy of it, and then all that it writes, which it keeps for this one as long as a gigabyte has room."""
        shutil.rmtree(self.data, ignore_errors=True)
        slot = self.name.replace("-", "_")
        primary.query("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '%s' AND NOT active" % slot)
        address = "host=%s user=%s application_name=%s" % (primary.place, self.user, self.name)
        self.run("pg_basebackup", "-D", self.data, "-d", address, "-R", "-C", "-S", slot, "-X", "stream", "--checkpoint=fast")

    def command(self):
        settings = [
            "listen_addresses=", "unix_socket_directories=" + self.place, "cluster_name=" + self.name, "max_connections=150",
            "shared_buffers=32MB", "jit=off", "max_wal_size=512MB", "max_slot_wal_keep_size=1GB", "wal_sender_timeout=10s",
            "wal_receiver_timeout=10s", "wal_retrieve_retry_interval=200ms",
        ]
        return [self.programs + "/postgres", "-D", self.data] + [word for setting in settings for word in ("-c", setting)], {}

    def is_ready(self):
        try:
            with open(self.data + "/postmaster.pid") as file:
                lines = file.read().splitlines()
        except OSError:
            return False
        return len(lines) > 7 and lines[7].strip() == "ready" and lines[0].strip() == str(self.process.pid)

    def query(self, sql, database="postgres"):
        return self.run(
            "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d",
            "host=%s user=%s dbname=%s" % (self.place, self.user, database), "-c", sql)

    def wait_for(self, standby):
        """Has commits wait until a standby has them on its disk."""
        found = "SELECT 1 FROM pg_stat_replication WHERE application_name = '%s' AND " % standby.name
        until("the standby's first message", lambda: self.query(found + "state = 'streaming'"))
        self.query("ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (\"%s\")'" % standby.name)
        self.query("SELECT pg_reload_conf()")
        until("a commit that waits for its standby", lambda: self.query(found + "sync_state = 'quorum'"))

    def promote(self):
        """Becomes the primary, and takes writes when this returns."""
        self.query("SELECT pg_promote(true, 30)")
        until("the promotion", lambda: self.query("SELECT NOT pg_is_in_recovery()") == "t")

    def kill(self):
        segment = None
        try:
            with open(self.data + "/postmaster.pid") as file:
                segment = file.read().splitlines()[6].split()[-1]
        except (OSError, IndexError):
            pass
        super().kill()
        # A server that was killed leaves the memory behind that it shared, which no other of that folder comes for any more.
        if segment:
            subprocess.run(["ipcrm", "-m", segment], stderr=subprocess.DEVNULL, preexec_fn=as_child(True))

    def end(self, number=signal.SIGINT, seconds=10):
        super().end(number, seconds)


class Store(Part):
    """An S3 bucket: OpenStack Swift's, which checks signatures, digests and times."""

    def __init__(self, folder, port):
        super().__init__("store", folder)
        self.folder = os.path.join(folder, "objects")
        self.python = os.path.join(ROOT, ".build/test-tools/bin/python")
        if not os.access(self.python, os.X_OK):
            raise Failed("OpenStack Swift is not there; .ci/test-tools installs it")
        os.makedirs(self.folder)
        self.port = port or free_port()

    def command(self):
        return [self.python, os.path.join(ROOT, "Tests/Support/ObjectStore/server.py"), self.folder, str(self.port), BUCKET], {}

    def is_ready(self):
        # It says so once the bucket is there, at each start.
        with open(self.log) as log:
            return log.read().count("listening on") >= self.starts


class Replica(Part):
    """The service: stateless, but for where it listens."""

    def __init__(self, name, folder, binary, environment, public_url, flags):
        super().__init__(name, folder)
        self.port = free_port()
        self.binary = binary
        self.environment = environment
        self.flags = [
            "serve", "--port", str(self.port), "--public-url", public_url, "--trust-request-id", "--trusted-proxies", "127.0.0.1/32",
            "--drain-seconds", "0", *flags,
        ]

    @property
    def url(self):
        return "http://127.0.0.1:%d" % self.port

    def command(self):
        return [self.binary, *self.flags], self.environment

    def is_ready(self):
        try:
            return urllib.request.urlopen(self.url + "/readyz", timeout=2).status == 200
        except (urllib.error.URLError, OSError):
            return False


class Nginx(Part):
    """The proxy in front: the sample as operators have it, with all replicas, and without TLS."""

    def __init__(self, folder, port, replicas):
        super().__init__("nginx", folder)
        self.program = os.path.join(ROOT, ".build/nginx/usr/sbin/nginx")
        if not os.access(self.program, os.X_OK):
            raise Failed("nginx is not there; .ci/test-tools unpacks it")
        self.port = port or free_port()
        self.folder = os.path.join(folder, "nginx")
        self.replicas = replicas
        os.makedirs(self.folder)

    def fitted(self):
        """The sample, fitted: whatever of it is not there any more is an error, so that the two do not part."""
        with open(os.path.join(ROOT, "http/samples/nginx.conf")) as file:
            text = file.read()
        servers = "\n    ".join("server 127.0.0.1:%d max_fails=1 fail_timeout=1s;" % replica.port for replica in self.replicas)
        for old, new in {
            "server 127.0.0.1:8080;": servers, "listen 80;": "listen unix:%s/plain.sock;" % self.folder, "listen [::]:80;": "",
            "listen 443 ssl http2;": "listen 127.0.0.1:%d;" % self.port, "listen [::]:443 ssl http2;": "",
            "/var/log/nginx/": self.folder + "/", "/var/www/html": self.folder, "limit_conn personas_address 100;": "",
            "add_header Strict-Transport-Security \"max-age=31536000\" always;": "", "proxy_connect_timeout 5s;": "proxy_connect_timeout 1s;",
        }.items():
            if old not in text:
                raise Failed("the sample of nginx does not hold %s" % old)
            text = text.replace(old, new)
        return re.sub(r"(?m)^ *ssl_.*\n", "", text)

    def command(self):
        path = self.folder + "/nginx.conf"
        places = " ".join("%s_temp_path %s/%s;" % (name, self.folder, name) for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        with open(self.folder + "/personas.conf", "w") as file:
            file.write(self.fitted())
        with open(path, "w") as file:
            file.write("daemon off;\nmaster_process off;\npid %s/nginx.pid;\nerror_log stderr warn;\nevents { worker_connections 4096; }\n"
                       "http {\n    %s\n    include %s/personas.conf;\n}\n" % (self.folder, places, self.folder))
        return [self.program, "-p", self.folder, "-c", path], {}

    def is_ready(self):
        return is_open(self.port)
