"""Slow and broken networks, and a service that asks for patience: nothing is lost, nothing is made twice, and the page says what is going on."""

import re
import urllib.request

from console import Console, run
from paint import fill
from pictures import file, files, png, stored
from server import Client, Server, Worker, eventually
from wire import Wire

# Of what a phone sends up in a second there is more here, so that the test ends before its readers do.
UPLINK_BYTES_PER_SECOND = 8_000_000
PHOTOGRAPH_BYTES = 10_000_000
REFUSED_REQUEST = "11111111-2222-4333-8444-555555555555"

# What moved by itself since the page was loaded, and how far.
LAYOUT_SHIFTS = """() => new Promise(resolve => {
  const shifts = [];
  const add = entries => {
    for (const entry of entries.filter(entry => !entry.hadRecentInput)) {
      shifts.push([entry.value, ...entry.sources.map(({ node }) => node?.outerHTML?.slice(0, 80) ?? "")]);
    }
  };
  const observer = new PerformanceObserver(list => add(list.getEntries()));
  observer.observe({ type: "layout-shift", buffered: true });
  requestAnimationFrame(() => requestAnimationFrame(() => { add(observer.takeRecords()); resolve(shifts); }));
})"""


def main(browser, given, report):
    if given.get("variant") != "narrow":
        shows_two_hundred(browser, given, report)
    with Wire() as wire, Server(given, "--public-url", wire.address) as server:
        wire.server = server
        key = server.key()
        client, worker = Client(server, key), Worker(server)
        with Console(browser, given, report, server, address=wire.address) as console:
            for path in ("/v2/", "/media/"):
                console.expect("net", path)
            console.sign_in(key)
            sends_large_photographs(console, client, worker, report)
            goes_on_after_a_cut(console, wire, client, report)
            keeps_what_it_cannot_send(console, wire, client, report)
            finds_what_was_made(console, wire, client, report)
            waits_for_a_restart(console, server, client, report)
            stops_when_told(console, client, report)
            counts_down(console, client, report)
            reads_again_in_silence(console, client, report)
            repeats_under_one_key(console, client, report)


def shows_two_hundred(browser, given, report):
    with Server(given, trainer="embedded") as server:
        key = server.key()
        fill(Client(server, key))
        with Console(browser, given, report, server) as console:
            console.sign_in(key, keep=True)
            console.reload()
            page = console.page
            titles = page.locator("main .cards h2")
            eventually("portraits", lambda: page.evaluate("[...document.querySelectorAll('main .cards img')].some(image => image.naturalWidth > 0)"))
            report.check("nothing moves while a list and its portraits come", page.evaluate(LAYOUT_SHIFTS), [])
            more = page.get_by_role("button", name="Show more")
            while more.is_visible():
                count = titles.count()
                more.click()
                eventually("more cards", lambda: titles.count() > count)
            names = titles.all_text_contents()
            report.check("all of 200 personas can be seen, each once", (len(names), len(set(names))), (200, 200))
            console.look("200 personas", quick=True)


def begin(console, name, photographs=None):
    """Fills the dialog for a persona."""
    console.page.get_by_role("button", name="New persona").first.click()
    dialog = console.page.get_by_role("dialog")
    dialog.get_by_label("Name", exact=True).fill(name)
    dialog.locator("input[type=file]").first.set_input_files(photographs or files(seed=sum(map(ord, name))))
    eventually("three previews", lambda: dialog.locator("img").count() == 3)
    return dialog


def create(dialog):
    dialog.get_by_role("button", name="Create", exact=True).click()


def until_made(console, dialog, client, name, report, why):
    """Waits until the dialog is gone and the list has the new card; there is one item, and no more, of the name."""
    dialog.wait_for(state="detached", timeout=45_000)
    console.page.get_by_role("heading", name=name, exact=True).first.wait_for()
    report.check(f"{why}: it is made once", len(client.named(name)), 1)


def until_said(dialog, pattern, seconds=30):
    """Waits for words in the dialog, which are the answer."""
    return eventually(pattern, lambda: (found := re.search(pattern, dialog.inner_text())) and found.group(0), seconds)


def sends_large_photographs(console, client, worker, report):
    """Three photographs of 10 MB on a phone's uplink."""
    photographs = [stored(console.server.folder, f"IMG_{index}.png", png(1820, 1820, index, PHOTOGRAPH_BYTES)) for index in range(3)]
    dialog = begin(console, "From Afar", photographs)
    console.throttle(up=UPLINK_BYTES_PER_SECOND)
    create(dialog)
    first = until_said(dialog, r"Uploading \d+ % · [\d.]+ of [\d.]+ MB")
    report.check("a slow upload says how much has gone up, of how much", float(first.split()[-2]), lambda megabytes: 29 < megabytes < 33)
    console.look("uploading", quick=True)
    uploading = re.compile(r"Uploading \d+ % · .* MB")
    second = eventually("a further step", lambda: (found := uploading.search(dialog.inner_text())) and found.group(0) != first and found.group(0))
    report.check("and goes on saying so", percent(second), lambda later: later > percent(first))
    until_made(console, dialog, client, "From Afar", report, "three large photographs, slowly")
    console.throttle()
    job = worker.lease()
    arrived = []
    for address in job["reference"]:
        with urllib.request.urlopen(address, timeout=30) as answer:
            arrived.append(len(answer.read()))
    report.check("whole", arrived, lambda sizes: len(sizes) == 3 and min(sizes) > 9_900_000)
    worker.complete(job)


def percent(line):
    return int(re.search(r"(\d+) %", line).group(1))


def large():
    """Photographs that take more than one packet."""
    return [file(f"{index}.png", png(400, 400, index + 50, 400_000)) for index in range(3)]


def goes_on_after_a_cut(console, wire, client, report):
    dialog = begin(console, "Cut Once", large())
    # How often the browser sends it again by itself depends on the connections that it has kept.
    wire.cut_after_bytes_up(500_000, "POST /v2/personas HTTP", times=100)
    create(dialog)
    console.until_announced("asking again")
    wire.restore()
    until_made(console, dialog, client, "Cut Once", report, "an upload that is cut in the middle")
    report.check("which was cut", wire.cut_count >= 1)
    report.check("and the page says that it tries again", True)


def keeps_what_it_cannot_send(console, wire, client, report):
    dialog = begin(console, "Cut Often", large())
    wire.cut_after_bytes_up(500_000, "POST /v2/personas HTTP", times=100)
    create(dialog)
    until_said(dialog, "could not be reached")
    report.check("an upload that never arrives is told of", True)
    report.check("and nothing is made", client.named("Cut Often"), [])
    console.look("upload lost")
    report.check("what was filled in is kept", (dialog.get_by_label("Name", exact=True).input_value(), dialog.locator("img").count()), ("Cut Often", 3))
    wire.restore()
    until_free(console)
    create(dialog)
    until_made(console, dialog, client, "Cut Often", report, "sent again by hand")


def until_free(console):
    """Waits until the page lets things be changed, which it does not while it has no connection."""
    console.page.locator(".connection", has_text=re.compile("Live|Updates")).wait_for(timeout=40_000)


def finds_what_was_made(console, wire, client, report):
    dialog = begin(console, "Answer Lost")
    wire.swallow_next_answer("POST /v2/personas HTTP", times=2)
    create(dialog)
    until_made(console, dialog, client, "Answer Lost", report, "an answer that is lost")
    report.check("which was lost", wire.swallowed_count >= 1)
    dialog = begin(console, "Answers Lost")
    wire.swallow_next_answer("POST /v2/personas HTTP", times=100)
    create(dialog)
    until_said(dialog, "could not be reached")
    report.check("where all answers are lost it is made all the same", len(client.named("Answers Lost")), 1)
    wire.restore()
    until_free(console)
    create(dialog)
    until_made(console, dialog, client, "Answers Lost", report, "sent again after all answers were lost")


def waits_for_a_restart(console, server, client, report):
    """The service goes away in the middle of an upload and comes back."""
    dialog = begin(console, "New Start", large())
    console.throttle(up=800_000)
    create(dialog)
    until_said(dialog, r"Uploading \d+ %")
    server.kill()
    server.start()
    console.throttle()
    until_made(console, dialog, client, "New Start", report, "an upload through a restart")
    until_free(console)


def stops_when_told(console, client, report):
    dialog = begin(console, "Never Mind", large())
    console.throttle(up=200_000)
    create(dialog)
    until_said(dialog, r"Uploading \d+ %")
    dialog.get_by_role("button", name="Cancel", exact=True).click()
    dialog.get_by_role("button", name="Create", exact=True).wait_for()
    console.throttle()
    report.check("what is stopped is not made", client.named("Never Mind"), [])
    create(dialog)
    until_made(console, dialog, client, "Never Mind", report, "begun again after it was stopped")


def refuse(console, method, path, times, status, code, message, retry_after=None):
    """Has the next calls refused with an error of the service's; the answer are the headers of all calls, refused or not. Checks beforehand pass."""
    seen = []

    def answer(route):
        request = route.request
        if request.method != method:
            route.fallback()
            return
        seen.append(request.headers)
        if len(seen) > times:
            route.fallback()
            return
        headers = {"X-Request-Id": REFUSED_REQUEST, **({"Retry-After": str(retry_after)} if retry_after else {})}
        error = {"error": {"code": code, "message": message}, "request_id": headers["X-Request-Id"]}
        route.fulfill(status=status, headers=headers, json=error)

    console.expect(status, "/v2/")
    console.page.route(re.compile(f"{re.escape(path)}([?](?!validate_only).*)?$"), answer)
    return seen


def counts_down(console, client, report):
    dialog = begin(console, "Too Fast")
    seen = refuse(console, "POST", "/v2/personas", 1, 429, "TOO_MANY_REQUESTS", "There were too many requests", retry_after=3)
    create(dialog)
    dialog.get_by_role("button", name=re.compile("Create in [123] s")).wait_for()
    report.check("a write that came too early is told when to come again", dialog.inner_text(), lambda words: "seconds" in words)
    report.check("with what was filled in", dialog.get_by_label("Name", exact=True).input_value(), "Too Fast")
    console.look("too fast", quick=True)
    dialog.get_by_role("button", name="Create", exact=True).click(timeout=20_000)
    until_made(console, dialog, client, "Too Fast", report, "sent again when it was time")
    report.check("and not before", len(seen), lambda count: count >= 2)
    console.page.unroute_all()


def reads_again_in_silence(console, client, report):
    seen = refuse(console, "GET", "/v2/styles", 2, 429, "TOO_MANY_REQUESTS", "There were too many requests", retry_after=1)
    console.go("#/styles")
    console.eventually("a third attempt", lambda: len(seen) >= 3)
    console.settle()
    report.check("a read that came too early is done again in silence", console.page.locator("main [role=alert]:visible").count(), 0)
    console.page.unroute_all()
    console.go("#/personas")


def repeats_under_one_key(console, client, report):
    dialog = begin(console, "Not Your Fault")
    seen = refuse(console, "POST", "/v2/personas", 9, 500, "INTERNAL_ERROR", "Something went wrong")
    create(dialog)
    until_said(dialog, REFUSED_REQUEST, 40)
    report.check("a fault of the service is told of with the request's id, to copy", dialog.get_by_role("button", name=re.compile("copy", re.I)).count(), 1)
    report.check("and that it is nobody's fault here", dialog.inner_text(), lambda text: "not your fault" in text.lower())
    console.look("fault", quick=True)
    report.check("after four attempts", len(seen), 4)
    report.check("under one key", len({headers.get("idempotency-key") for headers in seen} - {None}), 1)
    console.page.unroute_all()
    create(dialog)
    until_made(console, dialog, client, "Not Your Fault", report, "after a fault")


if __name__ == "__main__":
    run(main)
