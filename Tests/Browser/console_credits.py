"""Credits: what is left and why, a training that is not covered, and Smart Balance with a payment service that pays or declines; and none of it where
there are no credits."""

import base64
import os
import pathlib
import subprocess
import sys

import pictures
from console import Console, run
from server import Client, Server, Worker, eventually

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
SAMPLE = pathlib.Path(__file__).resolve().parents[2] / "http" / "samples" / "payments.py"
# It declines what is more.
AMOUNT_MAX = 1000


class Payments:
    """The payment service of the samples."""

    def __enter__(self):
        # In memory, because nobody asks it after its end.
        self._process = subprocess.Popen(
            [sys.executable, SAMPLE, "0", ":memory:"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env={**os.environ, "PERSONAS_PAYMENT_SECRET": SECRET, "AMOUNT_MAX": str(AMOUNT_MAX)})
        self.address = self._process.stdout.readline().split()[-1]
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()


def main(browser, given, report):
    with Payments() as payments, Server(
        given, "--credits", "on", "--style-price", "3", "--payment-url", payments.address, "--payment-secret", SECRET
    ) as server:
        key = server.key(scopes="read,write,billing")
        client, worker = Client(server, key), Worker(server)
        with Console(browser, given, report, server) as console:
            is_empty(console, key, report)
            is_not_covered(console, report)
            is_granted(console, server, report)
            pays(console, client, worker, report)
            cannot_retry(console, server, client, report)
            is_topped_up(console, server, client, report)
            is_paused(console, server, client, report)
            is_resumed(console, client, report)
            is_turned_off(console, client, report)
            is_told(console, client, report)
            if console.variant == "desktop":
                has_more(console, server, report)
                knows_in_every_tab(console, server, report)
                is_large(console, server, report)
        if given["variant"] == "desktop":
            only_looks(browser, given, server, client, report)
    if given["variant"] == "desktop":
        has_none(browser, given, report)


def says(console, text):
    """Waits for a text that somebody can see."""
    console.page.get_by_text(text).locator("visible=true").first.wait_for()
    return True


def rows(console):
    return console.page.locator(".ledger > li")


def row(console, *texts):
    """The newest change of which all texts are a part, once it is there."""
    found = rows(console)
    for text in texts:
        found = found.filter(has_text=text)
    found.first.wait_for()
    return found.first


def balance(console, text):
    """Waits until the screen and the bar on top say what is left."""
    for place in [".balance", "header a[href='#/credits']"]:
        console.page.locator(place, has_text=text).wait_for()
    return True


def state(console, text):
    """Waits until Smart Balance stands as told."""
    console.page.locator(".parts .status", has_text=text).wait_for()
    return True


def rule(client):
    """Smart Balance as the service has it."""
    return client.expect(200, "GET", "/v2/credits")["smart_balance"]


def amount(console):
    return console.page.get_by_label("Buy", exact=True)


def press(console, name):
    console.page.get_by_role("button", name=name, exact=True).last.click()


def form(console):
    return console.page.locator("dialog.sheet")


def open_form(console):
    console.go("#/personas", "Personas")
    console.page.locator("main [aria-busy=true]").wait_for(state="detached")
    console.page.get_by_role("button", name="New persona").click()
    form(console).wait_for()


def is_empty(console, key, report):
    console.sign_in(key, "#/credits")
    console.arrive("#/credits", "Credits")
    report.check("at first there is nothing", balance(console, "0 credits left"))
    report.check("and nothing has changed", says(console, "No changes yet"))
    report.check("what trainings cost is told", console.page.locator("dl").first.inner_text().split("\n"), lambda words: " ".join(
        word for word in words if word) == "A persona 1 credit, enough for 0 A style 3 credits, enough for 0")
    report.check("and that nothing is bought by itself", state(console, "Off"))
    report.check("the bar on top says where one is", console.page.locator("header a[href='#/credits']").get_attribute("aria-current"), "page")
    console.look("credits empty", quick=True)


def is_not_covered(console, report):
    page = console.page
    open_form(console)
    form(console).get_by_label("Name", exact=True).fill("Nova Reyes")
    form(console).locator("input[type=file]").first.set_input_files(pictures.files(3))
    eventually("the photographs", lambda: form(console).locator(".frame img").count() == 3)
    report.check("before it is made, the form says what it costs", says(console, "Costs 1 credit of 0."))
    console.expect(402, "/v2/personas")
    form(console).get_by_role("button", name="Create", exact=True).click()
    note = form(console).locator(".note.bad:not(.summary)")
    note.wait_for()
    report.check("what is not covered is said where it was asked for", note.inner_text(), lambda text: "it costs 1, and the balance is 0" in text)
    report.check("and nothing of it is lost", [form(console).get_by_label("Name", exact=True).input_value(), form(console).locator(".frame img").count()],
                 ["Nova Reyes", 3])
    console.look("not covered", quick=True)
    note.get_by_role("link", name="See the credits").press("Enter")
    console.arrive("#/credits", "Credits")
    report.check("it leads to the credits, away from the form", page.locator("dialog").count(), 0)


def is_granted(console, server, report):
    server.command("credits", "grant", "acme", "10", "--note", "Welcome to the studio")
    granted = row(console, "Given by the operator", "+10", "10 credits left")
    report.check("what is given appears by itself", granted.inner_text(), lambda text: "Welcome to the studio" in text)
    report.check("and so does what is left", balance(console, "10 credits left"))
    report.check("which is said to ears, too", console.until_announced("10 credits left"), None)
    report.check("it is enough for more now", says(console, "1 credit, enough for 10"))


def pays(console, client, worker, report):
    """What was entered for the persona that was not covered is there still."""
    open_form(console)
    report.check("whoever comes back finds what was entered", [form(console).get_by_label("Name", exact=True).input_value(),
                 form(console).locator(".frame img").count(), form(console).locator(".note:not(.summary)").count()], ["Nova Reyes", 3, 0])
    form(console).get_by_role("button", name="Create", exact=True).click()
    form(console).wait_for(state="detached")
    [item] = client.named("Nova Reyes")
    console.page.locator("header a", has_text="9 credits left").wait_for()
    console.go("#/credits", "Credits")
    report.check("a training is told with what it is of", row(console, "Training", "−1", "9 credits left").locator("a").get_attribute("href"),
                 f"#/personas/{item['id']}")
    worker.fail(worker.lease())
    row(console, "Given back: Nova Reyes", "+1", "10 credits left")
    report.check("what does not work is given back", balance(console, "10 credits left"))
    client.create("Ink", "style", seed=4)
    row(console, "Training: Ink", "−3", "7 credits left")
    report.check("a style costs its own price", balance(console, "7 credits left"))
    report.check("the newest is above", rows(console).first.inner_text(), lambda text: "Ink" in text)
    console.look("credits")
    worker.complete(worker.lease())
    client.expect(200, "DELETE", f"/v2/styles/{client.named('Ink', 'style')[0]['id']}")
    console.reload()
    console.enter_key(client.key.secret)
    console.arrive("#/credits", "Credits")
    row(console, "Training: Nova Reyes")
    report.check("what is gone has no link", row(console, "−3", "7 credits left").locator("a").count(), 0)
    report.check("all that happened is there again", rows(console).count(), 4)


def cannot_retry(console, server, client, report):
    server.command("credits", "revoke", "acme", "7")
    row(console, "Taken by the operator", "−7", "0 credits left")
    console.expect(402, "/v2/personas/")
    console.go("#/personas", "Personas")
    press(console, "Try again: Nova Reyes")
    note = console.page.locator(".card .note.bad")
    note.wait_for()
    report.check("trying again costs as much", note.inner_text(), lambda text: "it costs 1, and the balance is 0" in text)
    console.look("cannot try again", quick=True)
    note.get_by_role("link", name="See the credits").click()
    console.arrive("#/credits", "Credits")
    report.check("and it has not begun", client.named("Nova Reyes")[0]["status"], "failed")


def is_topped_up(console, server, client, report):
    threshold = console.page.get_by_label("When fewer are left than")
    threshold.fill("1.5")
    amount(console).fill("20")
    press(console, "Save")
    trouble = console.page.locator(".field .trouble", has_text="Digits alone")
    trouble.wait_for()
    report.check("what is no number of credits is refused beside it", console.focused(), "When fewer are left than")
    console.look("smart balance refused", quick=True)
    threshold.fill("5")
    console.press("Enter")
    report.check("Smart Balance is on", state(console, "On"))
    report.check("as it was entered", rule(client), {"threshold": 5, "amount": 20, "status": "active", "paused_reason": None})
    report.check("and the trouble is over", trouble.is_visible(), False)
    console.until_announced("On")
    server.command("credits", "grant", "acme", "5")
    row(console, "+5", "5 credits left")
    client.create("Studio Host", seed=1)
    bought = row(console, "Bought", "+20", "24 credits left")
    report.check("what is bought says by which payment", bought.inner_text(), lambda text: "bill " in text)
    report.check("and is there to be used", balance(console, "24 credits left"))
    report.check("it was paid for once", rows(console).filter(has_text="Bought").count(), 1)
    console.look("smart balance on", quick=True)


def is_paused(console, server, client, report):
    client.expect(200, "PUT", "/v2/credits/smart-balance", {"threshold": 5, "amount": AMOUNT_MAX + 1})
    server.command("credits", "revoke", "acme", "19")
    console.go("#/trash", "Trash")
    client.create("Late Show", seed=2)
    said = console.page.locator("#news .banner", has_text="Smart Balance is paused: declined")
    said.wait_for()
    report.check("a payment that is declined is told wherever one is", said.get_by_role("link").get_attribute("href"), "#/credits")
    console.look("smart balance declined", quick=True)
    said.get_by_role("link").click()
    console.arrive("#/credits", "Credits")
    report.check("where it leads nobody needs to be told", said.count(), 0)
    report.check("there it says so, too", state(console, "Paused: declined"))
    report.check("in the service's words", console.page.locator(".parts .status").inner_text(),
                 "Paused: " + client.expect(200, "GET", "/v2/credits")["smart_balance"]["paused_reason"])
    console.look("smart balance paused", quick=console.variant != "desktop")


def is_resumed(console, client, report):
    report.check("what is set is as it was set elsewhere", amount(console).input_value(), str(AMOUNT_MAX + 1))
    amount(console).fill("20")
    press(console, "Save")
    console.eventually("the other amount", lambda: rule(client)["amount"] == 20)
    report.check("another amount alone is no new beginning", state(console, "Paused: declined"))
    press(console, "Resume")
    report.check("it can be resumed", state(console, "On"))
    report.check("and leaves the focus near by", console.focused(), "Save")
    report.check("by the service as well", rule(client)["status"], "active")
    client.create("Once More", seed=3)
    row(console, "Bought", "+20", "23 credits left")
    report.check("the next is paid for", balance(console, "23 credits left"))


def is_turned_off(console, client, report):
    press(console, "Turn off")
    report.check("it can be turned off", state(console, "Off"))
    report.check("and is off at the service", rule(client), None)
    report.check("and leaves nothing entered", [field.input_value() for field in console.page.locator(".parts input").all()], ["", ""])
    report.check("and the focus near by", console.focused(), "Save")


def is_told(console, client, report):
    console.go("#/activity", "Activity")
    told = console.page.locator(".events .what")
    told.filter(has_text="Given by the operator, +10").wait_for()
    texts = told.all_inner_texts()
    report.check("what happened has it, too", [text in texts for text in [
        "Credits: Given by the operator, +10", "Credits: Given back, +1", "Credits: Bought, +20"]], [True] * 3)
    report.check("and that buying stopped", any(text.startswith("Credits: Smart Balance is paused: ") for text in texts))
    console.look("activity with credits", quick=True)
    console.go("#/webhooks", "Webhooks")
    press(console, "Add a webhook")
    console.page.get_by_label("everything but progress", exact=True).uncheck()
    report.check("programs can be told of it", [console.page.get_by_label(name, exact=True).count() for name in ["credits topped up", "smart balance paused"]], [1, 1])
    console.press("Escape")
    console.page.locator("dialog").wait_for(state="detached")


def has_more(console, server, report):
    for number in range(25):
        server.command("credits", "grant", "acme", "1", "--note", f"Gift {number}")
    console.go("#/credits", "Credits")
    row(console, "Gift 24")
    report.check("what comes at once is not all", rows(console).count(), 20)
    press(console, "Show more")
    row(console, "Gift 0")
    report.check("and further ones when asked for", rows(console).count(), lambda number: number > 20)
    while console.page.get_by_role("button", name="Show more").is_visible():
        press(console, "Show more")
        console.settle()
    report.check("back to the first", "Welcome to the studio" in rows(console).last.inner_text())
    server.command("credits", "grant", "acme", "1", "--note", "One more")
    row(console, "One more")
    report.check("what is new comes on top of them, and takes nothing away", ["One more" in rows(console).first.inner_text(),
                 "Welcome to the studio" in rows(console).last.inner_text()], [True, True])


def knows_in_every_tab(console, server, report):
    with console.beside() as other:
        other.sign_in(server.key(scopes="read"), "#/trash")
        link = other.page.locator("header a[href='#/credits']")
        before = link.inner_text()
        server.command("credits", "grant", "acme", "100")
        other.eventually("the other tab knows", lambda: link.inner_text() != before)
        report.check("every tab knows", balance(console, link.inner_text()))


def is_large(console, server, report):
    for _ in range(3):
        server.command("credits", "grant", "acme", "1000000000000")
    report.check("large numbers are told whole", balance(console, "3,000,000,000,"))
    console.look("credits large")


def only_looks(browser, given, server, client, report):
    """Keys without the scope see how things stand, and what they would need."""
    client.expect(200, "PUT", "/v2/credits/smart-balance", {"threshold": 5, "amount": 20})
    with Console(browser, given, report, server) as console:
        console.sign_in(server.key(), "#/credits")
        report.check("a key that may not pay sees how things stand", state(console, "On"))
        fields = console.page.locator(".parts input")
        report.check("and cannot change them", [[field.input_value(), field.is_editable()] for field in fields.all()], [["5", False], ["20", False]])
        report.check("for want of buttons", console.page.locator(".parts button").count(), 0)
        report.check("which it says", says(console, "A key with the scope “billing” can change this."))
        console.look("credits without billing", quick=True)
    with Console(browser, given, report, server) as console:
        console.sign_in(server.key(scopes="read,billing"), "#/credits")
        report.check("a key that may read and pay is told so", says(console, "This key may only read and set Smart Balance."))
        press(console, "Turn off")
        report.check("and does so", state(console, "Off"))


def has_none(browser, given, report):
    with Server(given) as server, Console(browser, given, report, server) as console:
        asked = []
        console.page.on("request", lambda request: asked.append(request.url))
        console.sign_in(server.key(), "#/credits")
        report.check("without credits there is no such place", says(console, "Nothing here"))
        report.check("and nothing in the bar", console.page.locator("#who").inner_text().split(), lambda words: words[:2] == ["Live", "acme"])
        console.go("#/webhooks", "Webhooks")
        press(console, "Add a webhook")
        report.check("nor is anybody told of any", console.page.locator("input[value^=credits]").count(), 0)
        console.press("Escape")
        open_form(console)
        report.check("a form has no price", form(console).get_by_text("Costs").count(), 0)
        report.check("and nothing is asked", [url for url in asked if "/v2/credits" in url], [])


if __name__ == "__main__":
    run(main)
