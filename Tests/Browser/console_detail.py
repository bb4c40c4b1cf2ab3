"""Looks at one persona: its state as it changes, its name and all else that people set, what others do to it meanwhile, its past, and how it goes away."""

import re

from console import Console, run
from server import Client, Server, Worker
from wire import Wire

LONG = "\N{SMILING FACE WITH SUNGLASSES}" * 300


def main(browser, given, report):
    with Server(given) as server:
        key = server.key()
        client, worker = Client(server, key), Worker(server)
        server.command("names", "reserve", "Root")
        other = client.create("Other One", seed=1)
        worker.train(other)
        item = client.create("Nova Reyes", special_instructions="Soft light", metadata={"team": "north"}, external_id="crm-1")
        with Console(browser, given, report, server) as console:
            console.sign_in(key, f"#/personas/{item['id']}")
            develops(console, worker, report, item)
            renames(console, client, report, item, other)
            instructs(console, client, report, item)
            labels(console, client, report, item)
            clashes(console, client, report, item)
            goes_back(console, client, report, item, other)
            stays_quiet(console, client, worker, report)
            goes_away(console, client, report, item)
            is_not_there(console, client, worker, report)
        only_reads(browser, given, report, server, item)
        loses_an_answer(browser, given, report, server, key, client)


def button(console, name):
    """A button by its words, behind which the name of the item may stand."""
    return console.page.get_by_role("button", name=re.compile(f"^{name}(: .*)?$"))


def press(console, name):
    button(console, name).click()


def text(console, selector):
    return re.sub(r"\s+", " ", console.page.locator(selector).inner_text()).strip()


def shows(console, words):
    """Waits until the screen says something."""
    console.page.locator("main").get_by_text(words).first.wait_for()


def saved(console):
    """Waits until a form is closed, because what was in it is saved."""
    console.page.locator("main form").wait_for(state="detached")


def heading(console, name):
    console.arrive(heading=re.compile(f"^{re.escape(name)}$"))


def develops(console, worker, report, item):
    page = console.page
    heading(console, "Nova Reyes")
    report.check("the title of the page is the name", page.title(), "Nova Reyes · Personas")
    shows(console, "Waiting for its turn")
    job = worker.lease()
    button(console, "Stop").focus()
    worker.progress(job, 40)
    shows(console, "Developing… 40 %")
    report.check("progress comes in without taking the focus", console.focused(), "Stop: Nova Reyes")
    report.check("ten steps show it", page.locator(".body .strip .done").count(), 4)
    report.check("with the places of the photographs", page.locator("main .film .frame").count(), 3)
    console.look("developing", quick=True)
    press(console, "Trash when finished")
    button(console, "Keep it").wait_for()
    press(console, "Keep it")
    button(console, "Trash when finished").wait_for()
    report.check("what was to be thrown away can be kept", console.focused(), lambda focused: focused != "")
    press(console, "Stop")
    shows(console, "This persona was cancelled")
    report.check("what was stopped can be tried again", console.focused(), "Try again: Nova Reyes")
    report.check("or mended", button(console, "Edit").is_visible())
    console.look("failed", quick=True)
    press(console, "Edit")
    page.get_by_role("dialog").wait_for()
    console.press("Escape")
    page.get_by_role("dialog").wait_for(state="detached")
    report.check("the way back from mending leads to where one was", console.focused(), "Edit: Nova Reyes")
    press(console, "Try again")
    shows(console, "Waiting for its turn")
    worker.train(item)
    shows(console, "Ready")
    page.wait_for_function("() => [...document.querySelectorAll('main .film img')].filter(image => image.complete && image.naturalWidth).length === 3")
    report.check("the portrait is there", console.until("document.querySelector('main .print img')?.naturalWidth"), 48)
    fate = "Changed: where it goes when finished"
    happened = ["Created", fate, fate, "Stopped", "Tried again", "Developed"]
    shows(console, "Developed")
    report.check("all of it is told in words", page.locator(".timeline li").all_inner_texts(), lambda told: [line.split("\n")[-1] for line in told] == happened)
    console.look("ready")


def renames(console, client, report, item, other):
    page = console.page
    page.get_by_role("button", name="Rename").focus()
    console.press("Enter")
    field = page.get_by_label("Name", exact=True)
    report.check("the field for the name has the focus and the name", [console.focused(), field.input_value()], ["Name", "Nova Reyes"])
    page.keyboard.type("!")
    page.locator("[aria-invalid=true]").wait_for()
    report.check("what no name may have is told of as one types", text(console, "form .trouble:not([hidden])"), lambda words: "“!”" in words)
    console.look("rename", quick=True)
    console.press("Enter")
    report.check("and is not sent", client.item(item["id"])["name"], "Nova Reyes")
    console.expect(409, "/v2/personas")
    field.fill("other  ONE")
    console.press("Enter")
    link = page.get_by_role("link", name="Open the one that has it")
    link.wait_for()
    report.check("a taken name leads to who has it", link.get_attribute("href"), f"#/personas/{other['id']}")
    field.fill("Root")
    console.press("Enter")
    shows(console, "This name is reserved")
    report.check("a reserved name is told of beside the field", field.get_attribute("aria-invalid"), "true")
    press(console, "Cancel")
    report.check("Cancel leaves all as it was", [console.focused(), text(console, "h1")], ["Rename", "Nova Reyes"])
    console.press("Enter")
    field.fill("  Nova   Sol ")
    console.press("Enter")
    heading(console, "Nova Sol")
    saved(console)
    report.check("a name is saved as the service writes it", client.item(item["id"])["name"], "Nova Sol")
    console.until_announced("Saved")
    report.check("which is said, and the focus is back", console.focused(), "Rename")
    report.check("the title of the page follows", page.title(), "Nova Sol · Personas")
    shows(console, "Changed: Name")


def instructs(console, client, report, item):
    page = console.page
    press(console, "Change instructions")
    field = page.get_by_label("Instructions", exact=True)
    field.fill(LONG + "!")
    press(console, "Save")
    report.check("301 characters are too many", text(console, "form .trouble:not([hidden])"), lambda words: "301" in words)
    field.fill(LONG)
    report.check("characters are counted as the service counts them", text(console, "form .counter"), "300 of 300")
    press(console, "Save")
    saved(console)
    report.check("300 are saved", client.item(item["id"])["special_instructions"], LONG)
    press(console, "Change instructions")
    field.fill("Not yet")
    console.go("#/account", "Account")
    page.go_back()
    heading(console, "Nova Sol")
    press(console, "Change instructions")
    report.check("what was typed and left is there again", field.input_value(), "Not yet")
    field.press("Escape")
    report.check("Escape leaves it", [field.count(), console.focused()], [0, "Change instructions"])
    press(console, "Change instructions")
    field.fill("")
    press(console, "Save")
    saved(console)
    report.check("an empty field clears them", client.item(item["id"])["special_instructions"], None)


def labels(console, client, report, item):
    page = console.page
    press(console, "Change metadata")
    field = page.get_by_label("Metadata", exact=True)
    report.check("each label is a line", field.input_value(), "team: north")
    for wrong in ["team", "team: 1\nteam: 2"]:
        field.fill(wrong)
        report.check(f"no label is {wrong!r}", text(console, "form .trouble:not([hidden])"), lambda words: "a key of its own" in words)
    console.look("metadata", quick=True)
    console.expect(400, "/v2/personas")
    field.fill("a b: 17")
    press(console, "Save")
    shows(console, "must have keys of")
    field.fill("constructor: 17")
    press(console, "Save")
    saved(console)
    press(console, "Change metadata")
    field.fill("crm.id: 17\nnote: one: two\n three\n")
    press(console, "Save")
    saved(console)
    report.check("labels are added and removed", client.item(item["id"])["metadata"], {"crm.id": "17", "note": "one: two\nthree"})


def clashes(console, client, report, item):
    """What somebody else has saved meanwhile is shown beside one's own, and neither is lost unasked."""
    page, path = console.page, f"/v2/personas/{item['id']}"
    console.expect(412, path)
    for answer in ["Keep mine", "Take theirs"]:
        press(console, "Change instructions")
        field = page.get_by_label("Instructions", exact=True)
        mine = f"Mine, {answer}"
        field.fill(mine)
        client.expect(200, "PATCH", path, {"special_instructions": "Theirs", "metadata": {"round": answer}})
        shows(console, f"round: {answer}")
        report.check(f"{answer}: what one types outlasts what others change", [field.input_value(), console.focused()], [mine, "Instructions"])
        press(console, "Save")
        shows(console, "Changed meanwhile")
        versions = page.locator(".versions").inner_text()
        report.check(f"{answer}: both versions are shown", [part in versions for part in ["Theirs", "Yours", mine]], [True] * 3)
        if answer == "Keep mine":
            console.look("changed meanwhile", quick=True)
        press(console, answer)
        saved(console)
        now = client.item(item["id"])
        report.check(f"{answer} does what it says", [now["special_instructions"], now["metadata"]["round"]], [mine if answer == "Keep mine" else "Theirs", answer])
        report.check(f"{answer}: the focus is back", console.focused(), "Change instructions")


def goes_back(console, client, report, item, other):
    page = console.page
    console.expect(409, "/v2/personas")
    for number in range(9):
        client.expect(200, "PATCH", f"/v2/personas/{item['id']}", {"special_instructions": f"Number {number}"})
    shows(console, "Number 8")
    versions = page.locator(".revisions li")
    versions.first.get_by_text("Number 8").wait_for()
    report.check("all states are there", page.get_by_text("Version 1", exact=True).count(), 1)
    report.check("the present one is marked", text(console, ".revisions li >> nth=0"), lambda words: "as it is now" in words)
    client.expect(200, "PATCH", f"/v2/personas/{other['id']}", {"name": "Nova Reyes"})
    press(console, "Restore Version 1")
    page.get_by_role("alert").get_by_text("already exists").wait_for()
    report.check("a state whose name is taken stays, and that is in sight", page.locator(".notes").bounding_box()["y"], lambda top: top >= 0)
    client.expect(200, "PATCH", f"/v2/personas/{other['id']}", {"name": "Other One"})
    refusal = {"error": {"code": "CONTENT_POLICY", "message": "That is not allowed"}, "request_id": "1"}
    page.route("**/revisions/1/restore", lambda route: route.fulfill(status=400, json=refusal), times=1)
    console.expect(400, "/v2/personas")
    press(console, "Restore Version 1")
    page.get_by_role("alert").get_by_text("That is not allowed").wait_for()
    report.check("what is refused takes nothing away", button(console, "Move to trash").count(), 1)
    press(console, "Restore Version 1")
    heading(console, "Nova Reyes")
    versions.first.get_by_text("Soft light").wait_for()
    now = client.item(item["id"])
    report.check("a state of before comes back whole", [now["name"], now["special_instructions"], now["metadata"]], ["Nova Reyes", "Soft light", {"team": "north"}])
    report.check("with the focus where it was", console.focused(), "Restore Version 1")
    page.locator(".timeline li").last.get_by_text("Changed: Name, Instructions, Metadata").wait_for()


def stays_quiet(console, client, worker, report):
    """That an item develops is no reason to ask whose change is to be kept."""
    item = client.create("Busy Bee", seed=2)
    job = worker.lease()
    console.go(f"#/personas/{item['id']}", "Busy Bee")
    page = console.page
    press(console, "Rename")
    page.get_by_label("Name", exact=True).fill("Calm Bee")
    worker.progress(job, 50)
    shows(console, "Developing… 50 %")
    press(console, "Save")
    heading(console, "Calm Bee")
    saved(console)
    report.check("a change goes through beside progress, unasked", client.item(item["id"])["name"], "Calm Bee")
    console.expect(404, "/v2/personas")
    press(console, "Stop and trash")
    shows(console, "It is in the trash.")
    report.check("what was stopped is in the trash", [kept["name"] for kept in client.trash()], ["Calm Bee"])
    press(console, "Undo")
    button(console, "Move to trash").wait_for()
    report.check("and comes back at one's word", client.item(item["id"])["name"], "Calm Bee")


def goes_away(console, client, report, item):
    page, path = console.page, f"/v2/personas/{item['id']}"
    console.expect(404, path)
    console.expect("net", "/media/")
    console.expect(404, "/media/")
    console.go(f"#/personas/{item['id']}", "Nova Reyes")
    press(console, "Change instructions")
    page.get_by_label("Instructions", exact=True).fill("A draft")
    client.to_trash(item)
    shows(console, "It is in the trash.")
    report.check("what others throw away stays to be read, and so does a draft", [text(console, "h1"), page.get_by_label("Instructions", exact=True).input_value()], ["Nova Reyes", "A draft"])
    report.check("but cannot be changed", button(console, "Move to trash").count(), 0)
    console.look("in the trash", quick=True)
    press(console, "Restore")
    button(console, "Move to trash").wait_for()
    report.check("and can be brought back there", client.item(item["id"])["name"], "Nova Reyes")
    press(console, "Save")
    saved(console)
    report.check("then the draft can be saved", client.item(item["id"])["special_instructions"], "A draft")
    client.expect(200, "DELETE", path)
    shows(console, "It was deleted for ever.")
    report.check("of what is deleted, ways on are shown", page.locator(".back, .notes a").all_inner_texts(), ["Personas", "Look into the trash"])


def is_not_there(console, client, worker, report):
    console.expect(400, "/v2/personas")
    console.expect(404, "/v2/")
    for name, id in [("that nobody has", "00000000-0000-4000-8000-000000000000"), ("that is none", "banana")]:
        console.go(f"#/personas/{id}", "It is no longer there.")
        report.check(f"an id {name} leads on", [console.page.locator(".back, .notes a").count(), console.page.title()], [2, "It is no longer there. · Personas"])
    console.look("not there", quick=True)
    trashed = client.create("Late Bee", "style", seed=4)
    worker.train(trashed)
    client.to_trash(trashed)
    console.go(f"#/styles/{trashed['id']}", "It is no longer there.")
    client.expect(200, "POST", f"/v2/trash/{trashed['id']}/restore")
    heading(console, "Late Bee")
    report.check("what comes back out of the trash is shown at once", console.page.locator(".lost").count(), 0)


def only_reads(browser, given, report, server, item):
    client = Client(server, server.key())
    shown = client.named("Other One")[0]
    with Console(browser, given, report, server) as console:
        console.sign_in(server.key(scopes="read"), f"#/personas/{shown['id']}")
        heading(console, "Other One")
        console.page.locator(".timeline li").first.wait_for()
        report.check("who may only read has nothing to change with", console.page.locator("main button").all_inner_texts(), lambda names: set(names) <= {"Copy", "Show more"})
        report.check("an id is copied", copied(console), shown["id"])


def copied(console):
    press(console, "Copy Id")
    console.until_announced("Copied")
    return console.page.evaluate("navigator.clipboard.readText()")


def loses_an_answer(browser, given, report, server, key, client):
    """That a change was made is found out by looking, not asked."""
    item = client.create("Lost Bee", seed=3)
    with Wire(server) as wire, Console(browser, given, report, server, address=wire.address) as console:
        console.expect("net")
        console.expect(412, "/v2/personas")
        console.sign_in(key, f"#/personas/{item['id']}")
        heading(console, "Lost Bee")
        press(console, "Rename")
        console.page.get_by_label("Name", exact=True).fill("Found Again")
        wire.swallow_next_answer("PATCH /v2/", 2)
        press(console, "Save")
        heading(console, "Found Again")
        saved(console)
        report.check("an answer was lost", wire.swallowed_count, lambda count: count >= 1)
        console.until_announced("Saved")


if __name__ == "__main__":
    run(main)
