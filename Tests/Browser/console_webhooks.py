"""Webhooks: added, tried, told of items, failing, switched off and on, and deleted, with a receiver that answers what it is told to."""

import http.server
import threading

from console import Console, run
from server import Client, Server
from wire import Wire


class Receiver:
    """A program that is told of events: it keeps what came, and answers with `status`."""

    def __init__(self):
        self.status, self.came = 200, []

    def __enter__(self):
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                receiver.came.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
                self.send_response(receiver.status)
                self.end_headers()
                self.wfile.write(b"noted" if receiver.status == 200 else b"out of order")

            def log_message(self, *_):
                """Says nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}/personas"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


def main(browser, given, report):
    with Receiver() as receiver, Server(given, "--development-downloads") as server:
        key = server.key()
        client = Client(server, key)
        with Console(browser, given, report, server) as console:
            console.sign_in(key, "#/webhooks")
            # What was delivered meanwhile counts as a change.
            console.expect(412, "/v2/webhooks/")
            is_empty(console, report)
            adds(console, receiver, report)
            tests(console, receiver, report)
            is_told(console, client, receiver, report)
            fails(console, client, receiver, report)
            switches(console, client, receiver, report)
            if console.variant == "desktop":
                has_more(console, report)
                changes(console, client, report)
                rotates(console, report)
                goes_by_itself(console, client, receiver, report)
            deletes(console, client, report)
        if given["variant"] == "desktop":
            reads_only(browser, given, server, client, receiver, report)
            loses_the_secret(browser, given, server, key, receiver, report)
            is_full(browser, given, server, key, client, receiver, report)
    if given["variant"] == "desktop":
        is_forbidden(browser, given, report)


def press(console, name):
    console.page.get_by_role("button", name=name, exact=True).last.click()


def says(console, text):
    """Waits for a text that somebody can see."""
    console.page.get_by_text(text).locator("visible=true").first.wait_for()
    return True


def address(console):
    return console.page.get_by_label("Address")


def trouble(console):
    """What is said at the field for the address."""
    return address(console).evaluate("field => field.getAttribute('aria-invalid') && document.getElementById(field.id + '-trouble').textContent")


def log(console):
    return console.page.locator(".log li")


def is_empty(console, report):
    console.arrive("#/webhooks", "Webhooks")
    report.check("nobody is told yet, and it is said what for", says(console, "No program is told yet"))
    console.look("webhooks empty", quick=True)


def adds(console, receiver, report):
    """What is wrong is said where it is, and the secret is there until somebody has it."""
    page = console.page
    press(console, "Add a webhook")
    address(console).wait_for()
    report.check("the focus is on the address", console.focused(), "Address")
    console.expect(400, "/v2/webhooks")
    address(console).fill("ftp:")
    press(console, "Save")
    page.locator("[aria-invalid]").wait_for()
    report.check("a bad address is refused beside it", trouble(console), lambda text: text.startswith("It must be an https URL"))
    address(console).fill(receiver.address)
    page.get_by_label("everything but progress", exact=True).uncheck()
    press(console, "Save")
    report.check("something has to be chosen", says(console, "events must name at least one type"))
    report.check("and the address is well", trouble(console), None)
    page.get_by_label("persona created").check()
    page.get_by_label("persona completed").check()
    page.get_by_label("Note").fill("Thumbnails")
    console.look("webhook form", quick=True)
    page.get_by_label("Note").press("Enter")
    secret = page.locator(".secret code")
    secret.wait_for()
    report.check("the secret is shown", secret.text_content(), lambda text: text.startswith("whsec_"))
    console.look("webhook secret", quick=True)
    page.get_by_role("button", name="Copy The secret").click()
    page.get_by_role("button", name="Copy The secret").filter(has_text="Copied").wait_for()
    report.check("and can be copied", page.evaluate("navigator.clipboard.readText()") == secret.text_content())
    console.press("Escape", "Escape")
    report.check("and stays until somebody says that it is in safety", secret.is_visible())
    report.check("with the focus where that is said", console.focused(), "Close")
    console.press("Enter")
    console.arrive("#/webhooks/", "127.0.0.1")
    report.check("and is gone then", secret.count(), 0)
    report.check("its tab has its name", page.title(), lambda title: title.startswith("127.0.0.1"))
    report.check("and a way back", page.locator(".back").get_attribute("href"), "#/webhooks")
    report.check("it is told of what was chosen", says(console, "Told of: persona created, persona completed"))


def tests(console, receiver, report):
    press(console, "Send a test")
    report.check("a test says what it met", says(console, "Answered 200"))
    report.check("in the receiver's own words", says(console, "noted"))
    report.check("it was sent", "webhook.test" in receiver.came[0])
    receiver.status = 500
    press(console, "Send a test")
    report.check("a test that fails says so", says(console, "Answered 500"))
    receiver.status = 200


def is_told(console, client, receiver, report):
    client.create("Nova Reyes")
    console.page.locator(".log li", has_text="Delivered").wait_for()
    report.check("what was delivered is in the log", log(console).all_inner_texts(), lambda texts: len(texts) == 1 and all(text in texts[0] for text in ["persona created", "Answered 200", "noted"]))
    report.check("the receiver has it", "Nova Reyes" in receiver.came[-1])


def fails(console, client, receiver, report):
    """What did not arrive is sent again by hand."""
    receiver.status = 500
    client.create("Studio Host", seed=1)
    failed = log(console).filter(has_text="out of order")
    failed.wait_for()
    report.check("what failed waits, with what was answered", failed.inner_text(),
                 lambda text: all(part in text for part in ["Waiting", "Answered 500", "out of order"]))
    console.look("webhook", quick=console.variant != "desktop")
    receiver.status = 200
    failed.get_by_role("button").press("Enter")
    log(console).nth(0).get_by_text("Delivered").wait_for()
    report.check("sent again it arrives", log(console).nth(0).inner_text(), lambda text: "Answered 200" in text)
    report.check("and to ears, too", console.until_announced("Done."), None)
    report.check("with the focus where it was", console.focused(), lambda text: text.startswith("Send again: persona created, "))
    console.page.get_by_label("Deliveries").select_option("failed")
    report.check("the log can be sifted", says(console, "Nothing to show."))
    console.page.get_by_label("Deliveries").select_option("")
    log(console).nth(1).wait_for()


def switches(console, client, receiver, report):
    press(console, "Switch off")
    report.check("switched off it says why", says(console, "Off: switched off by hand"))
    client.create("Weekend Duo", seed=2)
    report.check("what was missed is counted", says(console, "0 waiting, 1 missed"))
    press(console, "Switch on")
    press(console, "Send what was missed")
    console.page.locator(".log li", has_text="Delivered").nth(2).wait_for()
    report.check("switched on again it is sent what was missed", "Weekend Duo" in receiver.came[-1])
    report.check("the focus is not lost", console.focused(), "Send a test")


def has_more(console, report):
    """A page of one delivery each stands for pages of many."""
    page, pattern = console.page, "**/deliveries?*"
    page.route(pattern, lambda route: route.continue_(url=f"{route.request.url}&limit=1"))
    page.get_by_label("Deliveries").select_option("succeeded")
    console.until("document.querySelectorAll('.log li').length === 1")
    press(console, "Show more")
    console.until("document.querySelectorAll('.log li').length === 2")
    report.check("further deliveries come when they are asked for", page.get_by_role("button", name="Show more").is_visible())
    press(console, "Show more")
    console.until("document.querySelectorAll('.log li').length === 3")
    report.check("and the last leave the focus above them", console.until("document.activeElement.tagName === 'SELECT'"), True)
    page.unroute(pattern)
    page.get_by_label("Deliveries").select_option("")


def changes(console, client, report):
    path = f"/v2/webhooks/{console.page.url.rsplit('/', 1)[1]}"
    press(console, "Change")
    report.check("what it is told of is ticked", console.page.get_by_label("persona created", exact=True).is_checked())
    console.page.get_by_label("persona (everything but progress)").check()
    console.page.get_by_label("Note").fill("Previews")
    press(console, "Save")
    report.check("what was changed holds", says(console, "Told of: persona (everything but progress)"))
    report.check("all of it", client.expect(200, "GET", path)["description"], "Previews")
    report.check("the focus is back where the form was opened", console.focused(), "Change")
    press(console, "Change")
    console.page.get_by_label("Note").fill("Mine")
    client.expect(200, "PATCH", path, {"events": ["*"], "description": "Theirs"})
    press(console, "Save")
    report.check("what others changed meanwhile is not overwritten unseen", says(console, "Changed meanwhile. Look, and save again."))
    report.check("it is shown, beside what was edited", [console.page.get_by_label("everything but progress", exact=True).is_checked(),
                                                         console.page.get_by_label("Note").input_value()], [True, "Mine"])
    console.look("webhook changed meanwhile", quick=True)
    press(console, "Save")
    console.page.get_by_role("dialog").wait_for(state="detached")
    report.check("and only what was edited is sent", [client.expect(200, "GET", path)[member] for member in ["description", "events"]], ["Mine", ["*"]])
    press(console, "Change")
    press(console, "Save")
    console.page.get_by_role("dialog").wait_for(state="detached")
    report.check("also where that is nothing", client.expect(200, "GET", path)["description"], "Mine")


def rotates(console, report):
    press(console, "New secret")
    console.look("webhook rotation", quick=True)
    press(console, "Make it")
    secret = console.page.locator(".secret code")
    secret.wait_for()
    report.check("another secret is shown", secret.text_content(), lambda text: text.startswith("whsec_"))
    press(console, "Close")
    report.check("the focus is back where it was asked for", console.focused(), "New secret")


def goes_by_itself(console, client, receiver, report):
    """Whoever is elsewhere learns that a webhook was switched off."""
    console.go("#/personas", "Personas")
    receiver.status = 410
    client.create("Late Show", seed=3)
    console.page.get_by_role("link", name="See why").click()
    console.arrive("#/webhooks/", "127.0.0.1")
    report.check("that it is off is said everywhere, and why on its own screen", says(console, "Off: it answered that it is gone (410)"))
    report.check("who has looked is not told again", console.page.get_by_text("See why").count(), 0)
    console.page.get_by_role("link", name="Webhooks").last.click()
    console.arrive("#/webhooks", "Webhooks")
    report.check("the list says so, too", says(console, "Off: it answered that it is gone (410)"))
    console.look("webhooks", quick=True)
    console.page.get_by_role("link", name="127.0.0.1").click()
    receiver.status = 200


def deletes(console, client, report):
    says(console, "Told of:")
    press(console, "Delete")
    console.page.locator("dialog[open]").wait_for()
    report.check("who deletes is asked first, with the focus on the way back", console.focused(), "Cancel")
    console.press("Escape")
    report.check("and may think better of it", len(client.expect(200, "GET", "/v2/webhooks")["data"]), 1)
    press(console, "Delete")
    console.page.locator("dialog[open]").get_by_role("button", name="Delete").click()
    report.check("deleted it is gone", says(console, "No program is told yet") and client.expect(200, "GET", "/v2/webhooks")["data"], [])
    report.check("the focus is on the heading of the list", console.focused(), "Webhooks")


def reads_only(browser, given, server, client, receiver, report):
    """A key that may only read sees all, and nothing to change it with."""
    made = client.expect(201, "POST", "/v2/webhooks", {"url": receiver.address, "events": ["*"]})
    with Console(browser, given, report, server) as console:
        console.sign_in(server.key(scopes="read"), "#/webhooks")
        console.page.get_by_role("link", name="127.0.0.1").click()
        says(console, "Told of: everything but progress")
        report.check("who may only read has no buttons", console.page.locator("main button:visible").count(), 0)
        console.expect(404, "/v2/webhooks/")
        console.go("#/webhooks/nothing")
        report.check("what is not there is said so", console.page.get_by_role("button", name="Try again").wait_for(), None)
    client.expect(200, "DELETE", f"/v2/webhooks/{made['id']}")


def loses_the_secret(browser, given, server, key, receiver, report):
    """The answer with the secret is lost on the way, and the second one does not have it."""
    with Wire(server) as wire, Console(browser, given, report, server, wire.address) as console:
        console.sign_in(key, "#/webhooks")
        console.expect("net")
        press(console, "Add a webhook")
        address(console).fill(receiver.address)
        wire.swallow_next_answer("POST /v2/webhooks")
        press(console, "Save")
        report.check("who never saw the secret is told to make another", says(console, "Make a new secret"))
        press(console, "Close")
        console.arrive("#/webhooks/", "127.0.0.1")


def is_full(browser, given, server, key, client, receiver, report):
    """More than ten are too many, and a service without a key for secrets takes none at all."""
    for number in range(9):
        client.expect(201, "POST", "/v2/webhooks", {"url": receiver.address, "events": ["*"], "description": str(number)})
    with Console(browser, given, report, server) as console:
        console.sign_in(key, "#/webhooks")
        console.expect(403, "/v2/webhooks")
        press(console, "Add a webhook")
        address(console).fill(receiver.address)
        press(console, "Save")
        report.check("the eleventh is refused in words", says(console, "10 of 10 webhooks are used"))
        asked = []

        def refuse(route):
            asked.append(route.request.url)
            body = {"error": {"code": "CONFIGURATION_ERROR", "message": "The service is not configured correctly"}, "request_id": "one"}
            route.fulfill(status=500, json=body)

        console.expect(500, "/v2/webhooks")
        console.page.route("**/v2/webhooks", refuse)
        press(console, "Save")
        report.check("a service that cannot keep secrets is told of in words", says(console, "This service has no key to keep secrets with"))
        report.check("and not asked again and again", len(asked), 1)


def is_forbidden(browser, given, report):
    """What the service refuses is said where it was entered."""
    with Server(given) as server, Console(browser, given, report, server) as console:
        console.sign_in(server.key(), "#/webhooks")
        console.expect(400, "/v2/webhooks")
        press(console, "Add a webhook")
        address(console).fill("https://127.0.0.1/personas")
        press(console, "Save")
        console.page.locator("[aria-invalid]").wait_for()
        report.check("an address within the service's own network is refused beside it", trouble(console), "It must lead to a public host, by its name and on port 443")
        report.check("with the focus on it", console.focused(), "Address")
        address(console).fill("http://hooks.example.com/")
        press(console, "Save")
        console.page.get_by_text("It must be an https URL").wait_for()


if __name__ == "__main__":
    run(main)
