"""Measures how soon the console shows its list where an account has 200 personas: python Tests/Browser/paint.py --binary PATH; see .ci/paint.

Milliseconds since the navigation began, of several loads each, the middle one and the worst: until something was painted, until the cards were, and until
all portraits in sight were. "first" has nothing in the browser's cache, "again" has what the last visit left there. That nothing moves while images
come is a test, of console_network.py.
"""

import argparse
import pathlib
import statistics

from console import Console
from harness import perform
from server import Client, Server, eventually

ITEMS = 200
LOADS = 15

# Notes when the first card was painted: two frames after it came into the document.
NOTE_CARDS = """
globalThis.cardsAt = null;
new MutationObserver((_, observer) => {
  if (!document.querySelector("main .cards h2")) return;
  observer.disconnect();
  requestAnimationFrame(() => requestAnimationFrame(() => { globalThis.cardsAt = performance.now(); }));
}).observe(document, { subtree: true, childList: true });
"""

SEEN = """() => ({
  painted: performance.getEntriesByName("first-contentful-paint")[0]?.startTime,
  cards: globalThis.cardsAt,
})"""

# Where all portraits in sight are there, when the last of them came.
PORTRAITS_AT = """() => {
  const images = [...document.querySelectorAll("main .cards img")].filter(image => image.getBoundingClientRect().top < innerHeight);
  if (!images.length || !images.every(image => image.complete && image.naturalWidth)) return null;
  return Math.max(...images.map(image => performance.getEntriesByName(image.src)[0]?.responseEnd ?? 0));
}"""


def fill(client, count=ITEMS):
    """Makes personas, and waits until all are ready."""
    for number in range(count):
        client.create(f"Persona {number:03}", seed=number)
    eventually("all personas are ready", lambda: not client.items(query="status=processing"), seconds=120)


def main(browser, given, report):
    with Server(given, trainer="embedded") as server:
        key = server.key()
        fill(Client(server, key))
        seen = {"first": [], "again": []}
        for _ in range(LOADS):
            console = Console(browser, given, report, server)
            console.context.add_init_script(NOTE_CARDS)
            console.sign_in(key, keep=True)
            # What is in the cache of images and scripts by now goes, and the key stays.
            session = console.context.new_cdp_session(console.page)
            session.send("Network.clearBrowserCache")
            for kind in seen:
                console.reload()
                seen[kind].append(look(console))
            console.context.close()
    for kind, looks in seen.items():
        for name in ["painted", "cards", "portraits"]:
            values = [one[name] for one in looks]
            print(f"{kind:5}  {name:9}  {statistics.median(values):6.0f} ms  worst {max(values):6.0f} ms")


def look(console):
    """What one load took."""
    eventually("the cards are painted", lambda: console.page.evaluate(SEEN)["cards"])
    portraits = eventually("the portraits are there", lambda: console.page.evaluate(PORTRAITS_AT))
    return {**console.page.evaluate(SEEN), "portraits": portraits}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", type=pathlib.Path, required=True)
    parser.add_argument("--browser", default="/usr/bin/chromium")
    arguments = parser.parse_args()
    perform(main, {"browser": arguments.browser, "personas": str(arguments.binary.resolve())})
