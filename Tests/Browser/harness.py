"""What the tests in a browser share: Chromium, pages of other origins, and a report of what was seen.

A test is a script beside this one, started by `Stage.browse` of Tests/EndToEndTests/Browser with a file of what it has to know and the seconds that
it may take. It hands `run` a function that checks things, each under a name of its own, and what became of each goes to standard output as JSON.
"""

import contextlib
import faulthandler
import functools
import http.server
import json
import pathlib
import sys
import threading

from playwright.sync_api import sync_playwright

PAGES = pathlib.Path(__file__).parent / "pages"


class Report:
    """What was checked so far."""

    def __init__(self):
        self.checks = []
        # Is told of each check at once.
        self.listener = lambda check: None

    def check(self, name, actual, expected=True):
        """Notes whether something is as expected; `expected` may also be a function that says so."""
        is_met = bool(expected(actual)) if callable(expected) else actual == expected
        wanted = "something else" if callable(expected) else repr(expected)
        detail = "" if is_met else f"{actual!r:.2000} instead of {wanted:.2000}"
        self.checks.append({"name": name, "met": is_met, "detail": detail})
        self.listener(self.checks[-1])


class Browser:
    """Chromium, for which all hosts below `.example` are this machine: the origins of its pages."""

    def __init__(self, playwright, executable, pages_port):
        self.chromium = playwright.chromium.launch(
            executable_path=executable,
            args=[
                "--no-sandbox", f"--host-resolver-rules=MAP *.example 127.0.0.1:{pages_port}",
                # A page that a test answers for itself comes from no address, and could load nothing from this machine.
                "--disable-features=LocalNetworkAccessChecks",
            ],
        )

    def open(self, url, **options):
        """Opens a page in a profile of its own.

        `page.complaints` then holds what its console was told of errors.
        """
        page = self.chromium.new_context(**options).new_page()
        page.complaints = []
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on("console", lambda line: page.complaints.append(line.text) if line.type == "error" else None)
        page.goto(url)
        return page


class _PageHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        """Says nothing: what a failed test shows is the report."""


@contextlib.contextmanager
def served_pages():
    """Serves `pages` on a free port, under whatever name the browser asks for it."""
    handler = functools.partial(_PageHandler, directory=PAGES)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_port
        server.shutdown()


def perform(test, given):
    """Runs a test, a function of a browser, what it was given, and a report; what was checked is in the report, unless an error ends it."""
    report = Report()
    with served_pages() as port, sync_playwright() as playwright:
        browser = Browser(playwright, given["browser"], port)
        test(browser, given, report)
        browser.chromium.close()
    return report


def run(test):
    """Runs a test for `Stage.browse`; the process ends in time, whatever happens."""
    input_path, seconds_max = sys.argv[1:3]
    faulthandler.dump_traceback_later(float(seconds_max), exit=True)
    report = perform(test, json.loads(pathlib.Path(input_path).read_text()))
    json.dump({"checks": report.checks}, sys.stdout)
