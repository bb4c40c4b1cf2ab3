"""What the scenarios of the console share: the page in a browser of some kind, watched for whatever goes wrong, and looked at.

A scenario is a script `console_NAME.py` beside this one, with a function `main(browser, given, report)`; console_sign_in.py shows how it is done. It
runs in each of `VARIANTS`. By hand, without Swift:

    .build/test-tools/bin/python Tests/Browser/console.py sign_in                        # or: all
        --variant phone          instead of desktop; or: all
        --binary .build/release/personas                                                 # by default the newest that was built
        --screenshots .build/screenshots
        --verbose                tells of each check, and when it was made

It prints what was not met, and ends with 1 where there is such. With PERSONAS_CONSOLE_FOLDER=http/console the page comes from that folder rather than
from the binary, so that a change needs no build. With PERSONAS_SCREENSHOTS=FOLDER each look is also kept as pictures.
"""

import os
import pathlib
import re
import sys
import urllib.parse

from playwright.sync_api import Error

import looks
from harness import run  # noqa: F401 (scenarios take `run` from here)
from server import eventually

HERE = pathlib.Path(__file__).resolve().parent

# The browsers that each scenario runs in, as Playwright describes a context.
VARIANTS = {
    "desktop": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
    "phone": {
        "viewport": {"width": 390, "height": 844}, "color_scheme": "dark", "reduced_motion": "reduce", "has_touch": True, "is_mobile": True,
        "device_scale_factor": 2,
    },
    "narrow": {"viewport": {"width": 320, "height": 640}, "color_scheme": "light", "forced_colors": "active"},
}

SIZES = {1280: 900, 390: 844, 320: 640}
# A look of the desktop: width, colours, whether colours are forced, whether axe looks too, and whether a picture is kept.
SWEEP = [
    (1280, "light", "none", True, True),
    (1280, "dark", "none", True, True),
    (390, "light", "none", True, True),
    (390, "dark", "none", False, True),
    (320, "light", "none", True, False),
    (320, "light", "active", False, True),
    (390, "light", "active", True, False),
    (1280, "dark", "active", False, False),
]

# Has the console told of what breaks the policy, and keeps what screen readers are told.
WATCH = """
addEventListener("securitypolicyviolation", event =>
  console.error(`securitypolicyviolation ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber} ${event.sample}`));
globalThis.announced = [];
new MutationObserver(changes => {
  for (const { target } of changes) {
    const region = (target.nodeType === Node.TEXT_NODE ? target.parentElement : target)?.closest?.("[role=status], [role=alert], [aria-live]");
    const text = region?.textContent.trim();
    if (text && announced.at(-1) !== text) announced.push(text);
  }
}).observe(document, { subtree: true, childList: true, characterData: true });
"""

# Two frames, and the end of all that moves for a moment, so that nobody looks at something half faded.
SETTLE = """() => new Promise(resolve => requestAnimationFrame(() => requestAnimationFrame(async () => {
  const brief = document.getAnimations().filter(animation => animation.effect?.getComputedTiming().endTime <= 2000);
  await Promise.race([Promise.allSettled(brief.map(animation => animation.finished)), new Promise(done => setTimeout(done, 2500))]);
  resolve();
})))"""


class Console:
    """The console in a page of one browser context, which no other shares but those of `beside`.

    Leaving the `with` statement checks that nothing went wrong but what the scenario said it would provoke.
    """

    def __init__(self, browser, given, report, server, address=None, variant=None, context=None, **options):
        self.browser, self.given, self.report, self.server = browser, given, report, server
        self.address = address or server.address
        self.variant = variant or given.get("variant", "desktop")
        self.scenario = given.get("scenario", "console")
        self.complaints, self._expected, self._is_examined, self._owns_context = [], [], False, context is None
        self.context = context or self._new_context(options)
        self.page, self._session = self.context.new_page(), None
        self.page.on("pageerror", lambda error: self.complaints.append(f"page error: {error}"))
        self.page.on("console", self._hear)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.close()
        else:
            self.report.check("what the browser complained of before the error", self.complaints, [])

    @property
    def is_touched(self):
        """Whether fingers use it rather than a mouse."""
        return self.variant == "phone"

    def open(self, route="", path="/"):
        """Opens the page and waits until its first screen is there."""
        self.page.goto(self.address + path + route)
        return self.ready()

    def reload(self):
        """Loads the page again, as its reader might."""
        self.page.reload()
        return self.ready()

    def ready(self):
        self.page.locator("body[data-ready]").wait_for(state="attached")
        return self.page

    def enter_key(self, secret, keep=False):
        """Enters a key into the key screen, and waits for nothing."""
        self.page.get_by_label("API key").fill(secret)
        if keep:
            self.page.get_by_label("Stay signed in").check()
        self.page.get_by_role("button", name="Open the console").click()

    def sign_in(self, key, route="", keep=False):
        """Opens the page and signs in through its own field."""
        self.open(route)
        self.enter_key(key.secret, keep)
        self.until("!location.hash.startsWith('#/key')")
        return self.ready()

    def go(self, route, heading=None):
        """Goes to a screen by its address, and waits for its heading."""
        self.page.evaluate("route => { location.hash = route; }", route)
        self.arrive(route, heading)

    def arrive(self, route=None, heading=None):
        """Waits until the address and the heading are those of a screen; texts are parts of what they have to be, patterns may be given too."""
        if route is not None:
            self.until("route => decodeURIComponent(location.hash).startsWith(decodeURIComponent(route))", route)
        title = self.page.locator("main h1")
        (title.filter(has_text=heading) if heading else title).first.wait_for()

    def until(self, expression, argument=None, seconds=15):
        """Asks the page again and again until an expression, or a function of the argument, says yes; the answer is what it said.

        Playwright's `wait_for_function` is of no use here: it asks from within the page, by `eval`, which the policy forbids.
        """
        def ask():
            try:
                return self.page.evaluate(expression, argument)
            except Error as error:
                # Between two pages there is nobody to ask.
                if "context was destroyed" not in str(error):
                    raise
                return None

        return eventually(f"{expression} {argument or ''}", ask, seconds)

    def eventually(self, what, found, seconds=30):
        """Asks the test itself again and again until something is there, and hears the page meanwhile."""
        return eventually(what, lambda: self.page.evaluate("true") and found(), seconds)

    def beside(self):
        """Another tab of the same browser."""
        return Console(self.browser, self.given, self.report, self.server, self.address, self.variant, self.context)

    def press(self, *keys):
        """Presses keys, one after the other."""
        for key in keys:
            self.page.keyboard.press(key)

    def focused(self):
        """What has the focus, in words: its name, its text, or its kind."""
        return self.page.evaluate("""() => {
          const element = document.activeElement;
          const label = element.getAttribute("aria-label") || element.labels?.[0]?.textContent || element.textContent || element.tagName;
          return label.trim().replace(/\\s+/g, " ").slice(0, 80);
        }""")

    def announced(self):
        """What screen readers were told since the page was loaded."""
        return self.page.evaluate("announced")

    def until_announced(self, text, seconds=15):
        """Waits until screen readers were told something of which a text is a part."""
        self.until("text => announced.some(line => line.includes(text))", text, seconds)

    def expect(self, kind, path="/"):
        """Says that the scenario provokes failed requests from now on, which browsers tell of on the console.

        - kind: a status, or "net" for requests without an answer.
        - path: how the paths of their addresses begin.
        """
        self._expected.append((kind, path))

    def offline(self, is_offline=True):
        """Takes the browser's network away, or gives it back."""
        self.context.set_offline(is_offline)

    def throttle(self, up=-1, down=-1, latency_milliseconds=0):
        """Makes the page's network slow, in bytes a second; without arguments as fast as ever."""
        if self._session is None:
            # What one session has asked for holds on beside what another does.
            self._session = self.context.new_cdp_session(self.page)
            self._session.send("Network.enable")
        self._session.send("Network.emulateNetworkConditions", {
            "offline": False, "latency": latency_milliseconds, "downloadThroughput": down, "uploadThroughput": up})

    def settle(self):
        """Waits until nothing fades or slides."""
        self.page.evaluate(SETTLE)

    def look(self, name, quick=False):
        """Looks at the page as it stands: what is cut off, what is too small to be hit, what axe finds; and keeps pictures where they are wanted.

        The desktop looks at all sizes and colours, unless it is in a hurry; other variants at their own.
        """
        wide, small, flaws = [], [], []

        def examine(place, with_axe):
            self.settle()
            wide.extend((place, found) for found in looks.wide(self.page))
            small.extend((place, found) for found in looks.small(self.page))
            if with_axe:
                flaws.extend((place, *found) for found in self._axe())

        if quick or self.variant != "desktop":
            examine(self.variant, True)
            self._keep(name, self.variant)
        else:
            focused = self.page.evaluate_handle("document.activeElement")
            for width, colours, forced, with_axe, is_kept in SWEEP:
                self._appear(width, colours, forced)
                place = f"{width}-{'forced' if forced == 'active' else colours}"
                examine(place, with_axe)
                if is_kept:
                    self._keep(name, place)
            self._appear(1280, "light", "none")
            # Some things are open for as long as they have the focus.
            self.page.evaluate("element => { if (element !== document.activeElement && element.isConnected) element.focus(); }", focused)
        self.report.check(f"{name}: nothing is cut off", wide, [])
        self.report.check(f"{name}: all can be hit by a finger", small, [])
        self.report.check(f"{name}: axe finds nothing", flaws, [])

    def close(self):
        """Checks that nothing went wrong, and closes the page."""
        self.report.check(f"{self.variant}: nothing went wrong that was not provoked", self.complaints, [])
        if self._owns_context:
            self.context.close()
        else:
            self.page.close()

    def _new_context(self, options):
        common = {"locale": "en-GB", "timezone_id": "Europe/Berlin", "permissions": ["clipboard-read", "clipboard-write"]}
        context = self.browser.chromium.new_context(**{**common, **VARIANTS[self.variant], **options})
        context.set_default_timeout(15_000)
        context.add_init_script(WATCH)
        folder = os.environ.get("PERSONAS_CONSOLE_FOLDER")
        if folder:
            serve_from_disk(context, pathlib.Path(folder), self.address, self.server.address)
        return context

    def _hear(self, line):
        # What axe tries under the page's policy is not the page's fault.
        if line.type != "error" or self._is_examined:
            return
        address = urllib.parse.urlsplit(line.location.get("url", ""))
        status = re.match(r"Failed to load resource: the server responded with a status of (\d+)", line.text)
        kind = int(status.group(1)) if status else "net" if "net::ERR_" in line.text else None
        if not any(kind == expected and address.path.startswith(path) for expected, path in self._expected):
            self.complaints.append(f"{line.text} ({line.location.get('url', '')})")

    def _axe(self):
        self._is_examined = True
        try:
            return looks.flaws(self.page)
        finally:
            self._is_examined = False

    def _appear(self, width, colours, forced):
        self.page.set_viewport_size({"width": width, "height": SIZES[width]})
        self.page.emulate_media(color_scheme=colours, forced_colors=forced)

    def _keep(self, name, place):
        folder = os.environ.get("PERSONAS_SCREENSHOTS")
        if folder:
            # What is thousands of pixels long says no more than its beginning.
            is_whole = self.page.evaluate("document.documentElement.scrollHeight") < 4000
            path = pathlib.Path(folder) / f"{self.scenario}-{name.replace(' ', '-')}-{place}.png"
            self.page.screenshot(path=path, full_page=is_whole and not self.page.locator("dialog[open]").count())


TYPES = {
    ".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
    ".ico": "image/x-icon",
}


def serve_from_disk(context, folder, address, public_address):
    """Answers for the page and its files from a folder, with the headers that the service gives them."""
    policy = (
        f"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: {public_address}; connect-src 'self'; form-action 'none'; "
        "base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'")
    headers = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin"}

    def answer(route):
        path = urllib.parse.urlsplit(route.request.url).path
        name = "index.html" if path == "/" else path.removeprefix("/console/").partition("/")[2]
        file = next((file for file in [folder / name, folder.parent / "shared" / name] if file.is_file()), folder / name)
        if not file.is_file():
            route.fulfill(status=404, body="")
            return
        # Without the line that has modules come early, they come when they are imported.
        body = re.sub(r".*\{module\}.*\n", "", file.read_text()).replace("{assets}", "console/disk") if path == "/" else file.read_bytes()
        extra = {"Content-Security-Policy": policy} if path == "/" else {}
        route.fulfill(body=body, headers={**headers, **extra, "Content-Type": TYPES.get(file.suffix, "application/octet-stream")})

    context.route(re.compile(f"^{re.escape(address)}/(console/.*)?([?#].*)?$"), answer)


if __name__ == "__main__":
    sys.path.insert(0, str(HERE))
    import by_hand

    by_hand.main()
