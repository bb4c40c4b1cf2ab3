"""Changes as they happen: in two tabs, when the one that reads for both is closed, through a restart, without a stream, offline and in maintenance."""

import re

from console import Console, run
from server import Client, Server, Worker, eventually

STREAMS = "personas_http_event_streams"


def main(browser, given, report):
    with Server(given) as server:
        key = server.key()
        client, worker = Client(server, key), Worker(server)
        first, second = Console(browser, given, report, server), None
        first.sign_in(key, keep=True)
        second = first.beside()
        second.sign_in(key, keep=True)
        item, job = comes_along_in_both(first, second, server, client, worker, report)
        first.page.close()
        goes_on_without_the_first(second, server, worker, job, report)
        survives_a_restart(second, server, client, worker, report)
        asks_again_what_it_asked_in_vain(second, server, report)
        asks_without_a_stream(second, server, client, worker, report)
        waits_for_the_network(second, client, report)
        rests_in_maintenance(second, server, client, report)
        second.complaints += first.complaints
        second.close()


def card(console, name):
    """The card of an item in the list."""
    return console.page.locator("li", has=console.page.get_by_role("heading", name=name, exact=True))


def until_shown(console, name, words):
    """Waits until a card says something."""
    card(console, name).get_by_text(words).first.wait_for()


def connection(console):
    """What the page says of its connection."""
    return console.page.locator(".connection").inner_text()


def until_connection(console, words, seconds=20):
    console.page.locator(".connection", has_text=words).wait_for(timeout=seconds * 1000)


def comes_along_in_both(first, second, server, client, worker, report):
    for console in [first, second]:
        until_connection(console, "Live")
    report.check("two tabs of a browser share one stream", server.metric(STREAMS), 1.0)
    item = client.create("Nova Reyes")
    for name, console in [("that reads", first), ("that listens", second)]:
        until_shown(console, "Nova Reyes", "Waiting for its turn")
        report.check(f"the tab {name} shows what was made elsewhere", card(console, "Nova Reyes").count(), 1)
    job = worker.lease()
    worker.progress(job, 40)
    for name, console in [("that reads", first), ("that listens", second)]:
        until_shown(console, "Nova Reyes", "Developing… 40 %")
        strip = card(console, "Nova Reyes").get_by_role("progressbar")
        report.check(f"the tab {name} shows how it develops", strip.get_attribute("aria-valuenow"), "40")
        console.until_announced("25 percent")
    second.look("developing")
    return item, job


def goes_on_without_the_first(second, server, worker, job, report):
    eventually("one stream again", lambda: server.metric(STREAMS) == 1.0)
    until_connection(second, "Live")
    percents = iter(range(70, 100))

    def comes_along():
        # At most one step a second is told of each item, and the step before may be younger than that.
        worker.progress(job, next(percents))
        return card(second, "Nova Reyes").get_by_text(re.compile("Developing… [789]")).count() == 1

    eventually("a further step", comes_along)
    report.check("when the tab that reads is closed another one does", True)
    worker.complete(job)
    until_shown(second, "Nova Reyes", "Ready")
    second.until_announced("Nova Reyes is ready")
    report.check("and says once what is ready", [line for line in second.announced() if "Nova Reyes is ready" in line], ["Nova Reyes is ready"])
    image = card(second, "Nova Reyes").locator("img")
    eventually("the portrait", lambda: image.evaluate("image => image.complete && image.naturalWidth > 0"))
    report.check("with its portrait", True)


def survives_a_restart(second, server, client, worker, report):
    """Whatever happened while nobody listened is there afterwards, by itself."""
    for path in ("/v2/", "/media/"):
        second.expect("net", path)
    server.kill()
    until_connection(second, "Reconnecting")
    report.check("a lost service is told of in words", second.page.get_by_text("cannot be reached").first.is_visible())
    report.check("what was shown stays", card(second, "Nova Reyes").locator("img").evaluate("image => image.naturalWidth > 0"))
    resting = second.page.get_by_role("button", name="New persona").first
    report.check("nothing can be changed meanwhile", resting.get_attribute("aria-disabled"), "true")
    report.check("for a reason", resting.get_attribute("title"), lambda words: words and "reached" in words)
    second.look("reconnecting", quick=True)
    server.start()
    client.create("While Away")
    worker.complete(worker.lease())
    until_connection(second, "Live")
    until_shown(second, "While Away", "Ready")
    report.check("after a restart the page shows what happened meanwhile", True)
    report.check("each once", second.page.get_by_role("heading", name="While Away", exact=True).count(), 1)
    report.check("and lets things be changed again", resting.get_attribute("aria-disabled"), None)


def asks_again_what_it_asked_in_vain(second, server, report):
    """Whoever went to another screen while the service was away finds it there once that is back."""
    server.kill()
    until_connection(second, "Reconnecting")
    second.go("#/styles")
    second.page.locator("main .note", has_text="could not be reached").wait_for()
    server.start()
    second.page.locator("main h2", has_text="Your first style").wait_for()
    report.check("a screen that was asked for in vain comes by itself", second.page.locator("main .note").count(), 0)
    second.go("#/personas")
    until_shown(second, "While Away", "Ready")


def asks_without_a_stream(second, server, client, worker, report):
    """Where streams are refused, as by some proxies, the page asks every five seconds."""
    def is_stream(route):
        if "text/event-stream" in route.request.headers.get("accept", ""):
            route.abort("connectionreset")
        else:
            route.fallback()

    second.context.route("**/v2/events*", is_stream)
    server.restart()
    until_connection(second, "Updates every 5 s", 30)
    client.create("By Asking")
    until_shown(second, "By Asking", "Waiting for its turn")
    report.check("without a stream changes come by asking", True)
    second.context.unroute("**/v2/events*", is_stream)
    worker.complete(worker.lease())
    until_shown(second, "By Asking", "Ready")
    second.reload()
    until_connection(second, "Live")
    report.check("and by the stream once there is one", True)


def waits_for_the_network(second, client, report):
    second.offline()
    until_connection(second, "Reconnecting")
    report.check("without a network the page says so", second.page.get_by_text("cannot be reached").first.is_visible())
    client.create("Made Outside")
    second.offline(False)
    until_connection(second, "Live")
    until_shown(second, "Made Outside", "Waiting for its turn")
    report.check("with the network comes what was missed", True)


def rests_in_maintenance(second, server, client, report):
    page = second.page
    second.expect(503, "/v2/")
    second.expect(503, "/media/")
    server.command("maintenance", "on", "--retry-after", "3")
    banner = page.get_by_text("being maintained").first
    banner.wait_for()
    report.check("maintenance has a banner that says when the page looks again", banner.inner_text(), lambda words: "second" in words)
    report.check("what was read can be read on", card(second, "Nova Reyes").is_visible())
    report.check("with the pictures that are there", card(second, "Nova Reyes").locator("img").evaluate("image => image.naturalWidth > 0"))
    report.check("the dot says it as well", connection(second), lambda words: "Paused" in words)
    report.check("nothing can be changed", page.get_by_role("button", name="New persona").first.get_attribute("aria-disabled"), "true")
    second.look("maintenance")
    server.command("maintenance", "off")
    banner.wait_for(state="detached")
    until_connection(second, "Live")
    report.check("after it the page goes on by itself", page.get_by_role("button", name="New persona").first.get_attribute("aria-disabled"), None)
    client.create("After It")
    until_shown(second, "After It", "Waiting for its turn")
    report.check("and hears of changes", True)


if __name__ == "__main__":
    run(main)
