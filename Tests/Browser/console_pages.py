"""The pages around the items: the trash and its two ways out, what happened, the account with its archives, and keys that end while somebody is in."""

import pathlib
import tempfile

from console import Console, run
from server import Client, Server, Worker, eventually
from wire import Wire

PURGE_TITLE = "Delete “Late Show” for ever?"


def main(browser, given, report):
    with Server(given) as server:
        key = server.key()
        client, worker = Client(server, key), Worker(server)
        with Console(browser, given, report, server) as console:
            is_empty(console, key, report)
            items = {name: client.create(name, seed=seed) for seed, name in enumerate(["Nova Reyes", "Studio Host", "Late Show"])}
            items["Ink"] = client.create("Ink", "style", seed=9)
            tells(console, client, worker, items, report)
            worker.train(items["Late Show"], items["Ink"])
            brings_back(console, client, items, report)
            brings_back_otherwise(console, client, worker, items, report)
            purges(console, client, items, report)
            forgets(console, items, report)
            if console.variant == "desktop":
                has_more(console, client, worker, report)
            counts(console, server, client, report)
            has_colours(console, report)
            moves(browser, given, console, server, report)
        is_away(browser, given, server, key, report)
        keys_end(browser, given, server, report)


def make(client, worker, name, **members):
    """Creates a persona and trains it, so that it can be thrown away."""
    item = client.create(name, **members)
    worker.train(item)
    return item


def row(console, name):
    return console.page.locator(".sheet > li").filter(has_text=name)


def texts(console):
    """The sentences of the activity, from above."""
    return console.page.locator(".events .what").all_inner_texts()


def is_empty(console, key, report):
    page = console.page
    console.sign_in(key, "#/trash")
    page.get_by_role("heading", name="The trash is empty").wait_for()
    console.look("trash empty", quick=True)
    console.go("#/activity", "Activity")
    page.get_by_role("heading", name="Nothing has happened yet").wait_for()


def tells(console, client, worker, items, report):
    """What happens comes in by itself, in words, without the steps between."""
    page = console.page
    row(console, "Ink: Created").wait_for()
    report.check("the newest is told first", texts(console), ["Ink: Created", "Late Show: Created", "Studio Host: Created", "Nova Reyes: Created"])
    job = worker.lease()
    worker.progress(job, 40)
    worker.complete(job)
    reason = "Two people are in it " + "F" * 279
    worker.fail(worker.lease(), message=reason)
    row(console, "Two people are in it").wait_for()
    report.check("progress is left out", texts(console)[:2], [f"Studio Host: Did not work: {reason}", "Nova Reyes: Developed"])
    report.check("names lead to items", row(console, "Nova Reyes: Developed").get_by_role("link").get_attribute("href"), f"#/personas/{items['Nova Reyes']['id']}")
    report.check("none of it was read out by this screen", [line for line in console.announced() if "Created" in line], [])
    console.look("activity")
    for place, route in [("list", "#/personas"), ("detail", f"#/personas/{items['Studio Host']['id']}")]:
        console.go(route)
        page.get_by_text(reason).first.wait_for()
        console.look(f"long reason {place}", quick=True)
    console.go("#/activity", "Activity")
    console.reload()
    console.enter_key(client.key.secret)
    console.arrive("#/activity", "Activity")
    row(console, "Nova Reyes: Created").wait_for()
    report.check("all of it is there again after a reload", len(texts(console)), 6)


def brings_back(console, client, items, report):
    page = console.page
    console.go("#/trash", "Trash")
    for name in ["Nova Reyes", "Late Show", "Ink"]:
        client.to_trash(items[name])
    row(console, "Nova Reyes").wait_for()
    row(console, "Ink").wait_for()
    report.check("the newest stand first", page.locator(".sheet h2").all_inner_texts(), ["Ink", "Late Show", "Nova Reyes"])
    report.check("with what they are and their days", row(console, "Ink").locator(".quiet").inner_text(), "A style · 30 days left")
    report.check("there are no pictures", page.locator(".sheet img").count(), 0)
    console.look("trash")
    row(console, "Ink").get_by_role("button", name="Restore").click()
    row(console, "Ink").wait_for(state="detached")
    report.check("what was restored is back", [item["name"] for item in client.items("style")], ["Ink"])
    report.check("the focus goes on to the next", console.focused(), "Restore Late Show")
    console.until_announced("Ink is back")
    client.expect(200, "POST", f"/v2/trash/{items['Nova Reyes']['id']}/restore")
    row(console, "Nova Reyes").wait_for(state="detached")
    client.to_trash(items["Nova Reyes"])
    row(console, "Nova Reyes").wait_for()


def brings_back_otherwise(console, client, worker, items, report):
    """Somebody else has the name, or the own id, by now."""
    page = console.page
    other = make(client, worker, "Nova Reyes", seed=20)
    console.expect(409, "/v2/trash/")
    console.expect(400, "/v2/trash/")
    row(console, "Nova Reyes").get_by_role("button", name="Restore").click()
    entry = page.get_by_label("Bring it back as")
    entry.wait_for()
    report.check("a name that is taken is asked for anew", entry.get_attribute("aria-invalid"), "true")
    report.check("with the focus there", console.focused(), "Bring it back as")
    report.check("and a link to who has it", page.locator(".sheet .trouble a").get_attribute("href"), f"#/personas/{other['id']}")
    console.look("restore under another name", quick=True)
    entry.fill("Nova/Reyes")
    console.press("Enter")
    page.locator(".sheet .trouble").filter(has_text="may hold only").wait_for()
    report.check("the service's rule is told at the field, which has the focus", console.focused(), "Bring it back as")
    entry.fill("Late  Show 2")
    client.to_trash(make(client, worker, "Straggler", seed=21))
    row(console, "Straggler").wait_for()
    report.check("what is typed stays while the list changes", entry.input_value(), "Late  Show 2")
    console.press("Enter")
    row(console, "Nova Reyes").wait_for(state="detached")
    report.check("it is back under the other name", client.item(items["Nova Reyes"]["id"])["name"], "Late Show 2")
    first = make(client, worker, "First", seed=22, external_id="mine")
    client.to_trash(first)
    make(client, worker, "Second", seed=23, external_id="mine")
    row(console, "First").get_by_role("button", name="Restore").click()
    own = page.get_by_label("Your own id for it, or none")
    own.wait_for()
    own.fill("")
    console.press("Enter")
    row(console, "First").wait_for(state="detached")
    report.check("it is back without its own id", client.item(first["id"])["external_id"], None)


def purges(console, client, items, report):
    page = console.page
    opener = row(console, "Late Show").get_by_role("button", name="Delete for ever: Late Show")
    opener.click()
    dialog = page.get_by_role("dialog", name=PURGE_TITLE)
    dialog.wait_for()
    report.check("before it deletes it asks, with the focus on Cancel", console.focused(), "Cancel")
    console.look("delete for ever", quick=True)
    console.press("Escape")
    dialog.wait_for(state="detached")
    report.check("Escape is no, and the focus comes back", console.focused(), "Delete for ever: Late Show")
    opener.click()
    dialog.get_by_role("button", name="Delete for ever").click()
    row(console, "Late Show").wait_for(state="detached")
    report.check("it is gone for good", items["Late Show"]["id"] in [item["id"] for item in client.trash()], False)
    report.check("and the focus is on what is left", console.focused(), "Restore Straggler")


def forgets(console, items, report):
    """What is gone for good has no name and no link in what happened."""
    console.go("#/activity", "Activity")
    row(console, "deleted for ever").wait_for()
    report.check("who is gone is not named", [text for text in texts(console) if "Late Show" in text and "2" not in text], [])
    report.check("and not led to", console.page.locator(f".events a[href$='{items['Late Show']['id']}']").count(), 0)


def has_more(console, client, worker, report):
    page = console.page
    for number in range(20):
        client.to_trash(make(client, worker, f"Spare {number}", seed=30 + number))
    often = client.named("Second")[0]["id"]
    for number in range(130):
        client.expect(200, "PATCH", f"/v2/personas/{often}", {"metadata": {"number": str(number)}})
    console.go("#/personas")
    page.route("**/v2/trash?*", lambda route: route.continue_(url=route.request.url.replace("limit=100", "limit=20")))
    console.go("#/trash", "Trash")
    row(console, "Spare 19").wait_for()
    report.check("what comes at once is not all", page.locator(".sheet > li").count(), 20)
    page.get_by_role("button", name="Show more").click()
    row(console, "Straggler").wait_for()
    report.check("and the rest when asked for", page.locator(".sheet > li").count(), 21)
    report.check("then there is no more", page.get_by_role("button", name="Show more").is_visible(), False)
    console.go("#/activity", "Activity")
    row(console, "Second: Changed: Metadata").first.wait_for()
    report.check("a hundred events come at once", len(texts(console)), 100)
    while page.get_by_role("button", name="Show more").is_visible():
        before = len(texts(console))
        page.get_by_role("button", name="Show more").click()
        eventually("earlier events", lambda: len(texts(console)) > before)
    report.check("earlier events lead back to the first", texts(console)[-1], "Nova Reyes: Created")


def counts(console, server, client, report):
    page = console.page
    console.go("#/account", "Account")
    text = page.locator("main").inner_text()
    for words in ["acme", client.key.secret[:8], "read, write", "never", "10.5 MB", "no limit"]:
        report.check(f"the account says “{words}”", words in text)
    report.check("but not the key", client.key.secret in text, False)
    developing = page.locator("dt:text-is('Developing') + dd")
    before = developing.inner_text()
    client.create("Counted", seed=70)
    eventually("the numbers go on", lambda: developing.inner_text() != before)
    server.command("accounts", "quota", "acme", "--items", "60", "--bytes", "20M")
    console.go("#/trash")
    console.go("#/account", "Account")
    page.get_by_text("of 21.0 MB").wait_for()
    report.check("a quota is told in words", page.locator("dt:text-is('In all') + dd").inner_text(), lambda text: text.endswith(" of 60"))
    console.look("account")


def has_colours(console, report):
    page = console.page
    theme = "document.documentElement.dataset.theme ?? ''"
    page.get_by_label("Colours").select_option("dark")
    report.check("dark is dark", page.evaluate(theme), "dark")
    report.check("and the one thing that is kept", page.evaluate("JSON.stringify({ ...localStorage })"), '{"theme":"dark"}')
    console.settle()
    page.get_by_label("Colours").select_option("")
    report.check("as the system is no colour kept", page.evaluate(f"[{theme}, localStorage.theme]"), ["", ""])


def moves(browser, given, console, server, report):
    """Everything goes out of one account and into another."""
    page = console.page
    with tempfile.TemporaryDirectory() as folder:
        archive = pathlib.Path(folder) / "archive.tar"
        with page.expect_download() as download:
            page.get_by_role("button", name="Export", exact=True).click()
        download.value.save_as(archive)
        page.locator(".said").get_by_text("Saved as acme-").wait_for()
        report.check("an archive has the name of the account", download.value.suggested_filename, lambda name: name.startswith("acme-") and name.endswith(".tar"))
        report.check("and is whole", b"manifest.json" in archive.read_bytes())
        key = server.key("other")
        other = Client(server, key)
        with Wire(server) as wire, Console(browser, given, report, server, wire.address) as second:
            brings_in(second, wire, other, key, archive, report)


def brings_in(console, wire, client, key, archive, report):
    page = console.page
    console.sign_in(key, "#/account")
    send = page.get_by_role("button", name="Import", exact=True)
    send.click()
    page.get_by_text("Choose an archive first").wait_for()
    broken = archive.with_name("broken.tar")
    broken.write_bytes(archive.read_bytes()[:4096])
    console.expect(400, "/v2/account/import")
    page.get_by_label("Archive").set_input_files(broken)
    send.click()
    page.locator(".said .note.bad").wait_for()
    report.check("a damaged archive is refused in words", page.locator(".said .note.bad").inner_text(), lambda text: len(text) > 10)
    report.check("and changes nothing", client.items(), [])
    page.get_by_label("Archive").set_input_files(archive)
    console.throttle(up=4_000)
    send.click()
    page.get_by_role("button", name="Cancel: Import").click()
    page.locator(".said").get_by_text("Cancelled").wait_for()
    report.check("what was cancelled leaves the focus where it began", console.focused(), "Import")
    console.throttle()
    console.expect("net", "/v2/account/import")
    # Whoever asks again at once may find the first still at it.
    console.expect(409, "/v2/account/import")
    wire.swallow_next_answer("POST /v2/account/import")
    send.click()
    page.locator(".said").get_by_text(" 0 refused").wait_for()
    report.check("an answer that is lost is asked for again, and nothing is made twice", page.locator(".said").last.inner_text(), lambda text: text.startswith("0 items created"))
    wire.restore()
    report.check("what was in it is there, once", {"Ink"}, {item["name"] for item in client.items("style")})
    client.to_trash(client.items("style")[0])
    send.click()
    page.locator(".said").get_by_text("1 item created").wait_for()
    report.check("imported again, what is gone meanwhile is made anew", [item["name"] for item in client.items("style")], ["Ink"])
    again = archive.with_name("again.tar")
    again.write_bytes(archive.read_bytes())
    page.get_by_label("Archive").set_input_files(again)
    send.click()
    refused = page.locator(".said b:text-is('Ink')").locator("..")
    refused.wait_for()
    report.check("what is refused is named, with why", refused.inner_text(), "Ink\nA style with this name already exists")
    console.look("import with refusals", quick=True)


def is_away(browser, given, server, key, report):
    """A key that is kept outlives that the service is away while the page is loaded again."""
    with Console(browser, given, report, server) as console:
        page = console.page
        console.sign_in(key, "#/account", keep=True)
        console.arrive("#/account", "Account")
        console.expect("net", "/v2/me")
        page.route("**/v2/me", lambda route: route.abort())
        page.reload()
        again = page.get_by_role("button", name="Try again")
        again.wait_for()
        report.check("that the service is away is said", page.locator(".note").inner_text(), lambda text: "could not be reached" in text)
        console.look("away", quick=True)
        page.unroute("**/v2/me")
        again.click()
        console.arrive("#/account", "Account")
        report.check("the key is in no address and in nothing that lasts", page.evaluate("[location.href.includes('pkz_'), document.cookie, localStorage.length]"), [False, "", 0])
        page.get_by_role("button", name="Sign out").click()
        page.get_by_label("API key").wait_for()
        report.check("signing out forgets it", page.evaluate("sessionStorage.length"), 0)
        console.open("#/nowhere")
        console.enter_key(key.secret)
        page.get_by_role("heading", name="Nothing here").wait_for()


def keys_end(browser, given, server, report):
    """The operator ends a key, or an account, while somebody is in."""
    ends = [
        ("disabled", lambda key: server.command("keys", "disable", key.id), "switched off"),
        ("deleted", lambda key: server.command("keys", "delete", key.id), "deleted"),
        ("suspended", lambda key: server.command("accounts", "suspend", key.account), "This account is suspended"),
    ]
    for name, end, words in ends:
        key = server.key(name)
        with Console(browser, given, report, server) as console:
            console.sign_in(key, "#/activity", keep=True)
            console.page.get_by_role("heading", name="Nothing has happened yet").wait_for()
            console.expect(401, "/v2/")
            console.expect(403, "/v2/")
            end(key)
            console.page.locator("main").get_by_text(words).first.wait_for()
            report.check(f"a key that is {name} is forgotten", console.page.evaluate("sessionStorage.length"), 0)
            report.check(f"and nothing of the account of the {name} one stays", console.page.locator("#who, #places").filter(visible=True).count(), 0)
            console.look(f"key {name} while in", quick=True)
            if name == "disabled":
                server.command("keys", "enable", key.id)
                console.enter_key(key.secret)
                console.arrive("#/activity", "Activity")
                console.page.get_by_role("button", name="Sign out").click()
                console.page.get_by_label("API key").wait_for()
                report.check("signing out forgets where one was, too", console.page.url.endswith("#/key"))


if __name__ == "__main__":
    run(main)
