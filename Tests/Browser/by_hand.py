"""Runs scenarios of the console without Swift and prints what was not met: the command that console.py describes."""

import argparse
import faulthandler
import importlib
import os
import pathlib
import sys
import tempfile
import time
import traceback

from console import VARIANTS
from harness import perform

SECONDS_MAX = 300
HERE = pathlib.Path(__file__).resolve().parent


def _names():
    return sorted(path.stem.removeprefix("console_") for path in HERE.glob("console_*.py"))


def _newest_binary():
    built = [path for path in (HERE.parent.parent / ".build").glob("*/personas") if path.is_file()]
    if not built:
        sys.exit("there is no binary: swift build, or --binary PATH")
    return max(built, key=lambda path: path.stat().st_mtime)


def _run_by_hand(name, variant, arguments):
    """Runs one scenario in one variant; the answer is whether all was met."""
    faulthandler.dump_traceback_later(SECONDS_MAX, exit=True)
    scenario = importlib.import_module(f"console_{name}").main
    given = {"browser": arguments.browser, "personas": str(arguments.binary), "variant": variant, "scenario": name}
    begin, error, report = time.monotonic(), None, None

    def kept(browser, given, report_):
        nonlocal report
        report = report_
        if arguments.verbose:
            report.listener = lambda check: print(f"{time.monotonic() - begin:5.1f} s  {'✔' if check['met'] else '✘'} {check['name']}", flush=True)
        try:
            scenario(browser, given, report_)
        except Exception:
            for index, context in enumerate(browser.chromium.contexts):
                for number, page in enumerate(context.pages):
                    path = f"{tempfile.gettempdir()}/console-{name}-{variant}-{index}-{number}.png"
                    page.screenshot(path=path, timeout=5000)
                    print(f"  the page at its end: {path}")
            raise

    try:
        perform(kept, given)
    except Exception as raised:
        # Of the stack only what scenarios and their helpers did.
        frames = [frame for frame in traceback.extract_tb(raised.__traceback__) if pathlib.Path(frame.filename).parent == HERE]
        error = "".join(traceback.format_list(frames)) + f"{type(raised).__name__}: {raised}"
    unmet = [check for check in report.checks if not check["met"]]
    print(f"{name}, {variant}: {len(report.checks)} checks, {len(unmet)} not met, {time.monotonic() - begin:.0f} s")
    for check in unmet:
        print(f"  ✘ {check['name']}: {check['detail']}")
    if error:
        print(error)
    return not unmet and error is None


def main():
    """Runs what the command line names."""
    parser = argparse.ArgumentParser(description="Runs scenarios of the console by hand.")
    parser.add_argument("scenario", choices=[*_names(), "all"])
    parser.add_argument("--variant", choices=[*VARIANTS, "all"], default="desktop")
    parser.add_argument("--binary", type=pathlib.Path)
    parser.add_argument("--browser", default="/usr/bin/chromium")
    parser.add_argument("--screenshots", type=pathlib.Path)
    parser.add_argument("--verbose", action="store_true")
    arguments = parser.parse_args()
    arguments.binary = (arguments.binary or _newest_binary()).resolve()
    if arguments.screenshots:
        arguments.screenshots.mkdir(parents=True, exist_ok=True)
        os.environ["PERSONAS_SCREENSHOTS"] = str(arguments.screenshots)
    names = _names() if arguments.scenario == "all" else [arguments.scenario]
    variants = list(VARIANTS) if arguments.variant == "all" else [arguments.variant]
    outcomes = [_run_by_hand(name, variant, arguments) for name in names for variant in variants]
    sys.exit(0 if all(outcomes) else 1)
