"""Starts a cluster of the service on one machine, and does to it what machines and networks do. See .ci/cluster."""
import argparse
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys

from parts import ROOT, Failed
from supervisor import Cluster, serve

VERBS = {
    "status": "shows the parts: which run, and which database is the primary",
    "kill": "ends parts at once, as a power cut would: kill replica-1, kill primary",
    "end": "stops parts as an operator does",
    "stop": "holds all processes of parts, as a machine that hangs: stop primary",
    "continue": "lets them go on",
    "start": "starts parts again that have ended",
    "promote": "makes the standby the primary, and ends what is left of the old one",
    "rejoin": "has the former primary follow the present one",
    "down": "ends everything",
    "sql": "runs statements on the primary: sql 'SELECT count(*) FROM pikzonality'",
    "personas": "runs a command of the service on the database: personas keys list",
}


def socket_path(folder):
    """Where it is told what to do, in the folder that holds sockets."""
    try:
        with open(os.path.join(folder, "cluster.json")) as file:
            return json.load(file)["socket"]
    except (OSError, ValueError, KeyError):
        raise Failed("no cluster runs in %s; .ci/cluster starts one" % folder)


def ask(folder, verb, parts):
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(socket_path(folder))
        except OSError:
            raise Failed("no cluster runs in %s; .ci/cluster starts one" % folder)
        connection.sendall(json.dumps({"verb": verb, "parts": parts}).encode() + b"\n")
        answer = json.loads(connection.makefile("rb").readline())
    if "failed" in answer:
        raise Failed(answer["failed"])
    return answer["done"]


def show(report, as_json):
    if as_json:
        print(json.dumps(report), flush=True)
        return
    for part in report["parts"]:
        print("%-10s %-11s %-8s %s" % (part["name"], part["state"], part["role"] or "", part["url"] or part["pid"] or ""))


def greet(report):
    """What to do with it now."""
    print("""
The service is at %s, through nginx; each replica listens as well:
%s
    export KEY=%s
    curl -H "X-Api-Key: $KEY" '%s/v2/personas'; echo

The command line works on the database, here by
    .ci/cluster personas status
and of a shell that has read where the database and the bucket are
    . %s/environment

What may happen to it: .ci/cluster kill replica-1, start replica-1, kill primary, promote, rejoin, stop PART, continue PART, status, down.
Ctrl-C ends everything. Logs are in %s.
""" % (report["url"], "".join("    %s %s\n" % (part["name"], part["url"]) for part in report["parts"] if part["url"]), report.get("key"),
       report["url"], report["folder"], report["folder"]), flush=True)


def run(options):
    """Starts a cluster and keeps it. Returns the status to end with."""
    folder = os.path.abspath(options.folder)
    os.makedirs(folder, mode=0o755, exist_ok=True)
    lock = open(os.path.join(folder, "lock"), "w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise Failed("a cluster runs in %s already" % folder)
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        if name in ("objects", "nginx"):
            shutil.rmtree(path)
        elif name.endswith(".log") or name in ("secrets.key", "cluster.json", "environment"):
            os.remove(path)

    def interrupt(number, frame):
        raise KeyboardInterrupt
    signal.signal(signal.SIGTERM, interrupt)
    cluster = Cluster(options)
    marks = os.path.join(folder, "cluster.json")
    try:
        cluster.start()
        path = os.path.join(cluster.place, "control")
        with open(os.open(marks, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as file:
            json.dump({"socket": path, **cluster.report()}, file)
        with open(os.open(os.path.join(folder, "environment"), os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as file:
            file.writelines("export %s='%s'\n" % pair for pair in cluster.environment.items())
        if options.json:
            show(cluster.report(), True)
        elif not options.command:
            greet(cluster.report())
        return serve(cluster, path, options.command)
    except KeyboardInterrupt:
        return 0
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        cluster.close(options.keep)
        if os.path.exists(marks):
            os.remove(marks)


def parse(words):
    command = []
    if "--" in words:
        at = words.index("--")
        words, command = words[:at], words[at + 1:]
    parser = argparse.ArgumentParser(
        prog=".ci/cluster", formatter_class=argparse.RawDescriptionHelpFormatter, usage=".ci/cluster [OPTIONS] [VERB [PART ...]] [-- COMMAND ...]",
        description="Without a verb it starts a cluster, and keeps it until it is told to end, or the command has ended.",
        epilog="verbs:\n" + "\n".join("  %-9s %s" % pair for pair in VERBS.items()))
    parser.add_argument("--replicas", type=int, default=2, metavar="N", help="how many of the service (2)")
    parser.add_argument("--port", type=int, default=8080, help="where nginx listens; 0 for a free one (8080)")
    parser.add_argument("--failover", action="store_true", help="promote the standby by itself where the primary ends, as Patroni does")
    parser.add_argument("--alone", action="store_true", help="no standby: commits wait for nobody")
    parser.add_argument("--keep", action="store_true", help="leave the databases and the bucket behind at the end")
    parser.add_argument("--folder", default=os.path.join(ROOT, ".build/cluster"), help="logs and keys (.build/cluster)")
    parser.add_argument("--binary", help="the service; by default the one that was built")
    parser.add_argument("--serve-flags", default="", metavar="TEXT", help="flags of every replica, such as '--trainer worker'")
    parser.add_argument("--store-port", type=int, metavar="PORT", help="where the bucket listens (a free one)")
    parser.add_argument("--store-proxy", type=int, metavar="PORT", help="where replicas look for the bucket, if something stands between")
    parser.add_argument("--json", action="store_true", help="one line of JSON once everything runs, or for what a verb has done")
    # What stands behind these is handed on, whatever it looks like.
    rest = []
    at = next((index + 1 for index, word in enumerate(words) if word in ("personas", "sql")), len(words))
    words, rest = words[:at], words[at:]
    parser.add_argument("verb", nargs="?", choices=list(VERBS))
    parser.add_argument("parts", nargs="*")
    options = parser.parse_args(words)
    options.command = command
    options.parts += rest
    if options.verb in ("kill", "end", "stop", "continue", "start") and not options.parts:
        parser.error("%s what?" % options.verb)
    return options


def main():
    # Some of those who start this hold signals back, which children inherit.
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    options = parse(sys.argv[1:])
    folder = os.path.abspath(options.folder)
    try:
        if options.verb is None:
            return run(options)
        report = ask(folder, "status" if options.verb == "personas" else options.verb, options.parts)
        if options.verb == "personas":
            return subprocess.run([report["binary"], *options.parts], env={**os.environ, **report["environment"]}).returncode
        if options.verb == "sql":
            print(report["rows"])
        elif options.verb != "down":
            show(report, options.json)
        return 0
    except Failed as failed:
        print(".ci/cluster: %s" % failed, file=sys.stderr)
        return 1


sys.exit(main())
