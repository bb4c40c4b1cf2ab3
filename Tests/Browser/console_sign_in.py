"""Signs in: with a good key, and with each that is refused; the way back to where one was going; and out again."""

import re

from console import Console, run
from server import Client, Server, eventually

UNKNOWN_KEY = "pkz_0000000000000000000000000000000000000"


def main(browser, given, report):
    with Server(given) as server:
        key = server.key()
        Client(server, key).create("Nova Reyes")
        with Console(browser, given, report, server) as console:
            asks(console, report)
            refuses(console, server, report)
            keeps_out(console, server, report)
            lets_in(console, key, report)
            leaves(console, report)


def field(console):
    return console.page.get_by_label("API key")


def asks(console, report):
    page = console.open()
    console.arrive("#/key")
    report.check("without a key, one is asked for", field(console).is_visible())
    report.check("in a field that password managers know", field(console).get_attribute("type"), "password")
    console.look("key")


def refuses(console, server, report):
    """Each refused key is told of beside the field, in words of its own."""
    disabled, deleted = server.key(), server.key()
    server.command("keys", "disable", disabled.id)
    server.command("keys", "delete", deleted.id)
    console.expect(401, "/v2/me")
    said = []
    for name, secret in [("malformed", "banana"), ("unknown", UNKNOWN_KEY), ("disabled", disabled.secret), ("deleted", deleted.secret)]:
        console.enter_key(secret)
        refused = eventually(f"words for a {name} key", lambda: (text := described(console)) not in said and text)
        said.append(refused)
        report.check(f"a {name} key is refused, with the focus on the field", console.focused(), "API key")
        report.check(f"which says that of the {name} key is wrong", field(console).get_attribute("aria-invalid"), "true")
    console.look("key refused")


def keeps_out(console, server, report):
    """What is wrong with an account is no fault of its key, and takes the whole page."""
    page = console.page
    suspended, without_access, gone = server.key("suspended"), server.key("without-access"), server.key("gone")
    server.command("accounts", "suspend", "suspended")
    server.command("accounts", "disable-api", "without-access")
    server.command("accounts", "delete", "gone", "--yes")
    console.expect(403, "/v2/me")
    console.expect(404, "/v2/me")
    for name, key in [("suspended", suspended), ("without access", without_access), ("gone", gone)]:
        console.enter_key(key.secret)
        eventually(f"the words for an account {name}", lambda: re.search(r"[0-9a-f]{8}-[0-9a-f]{4}-", page.locator("main").inner_text()))
        report.check(f"an account {name} has a heading that says so", page.locator("main h1").all_inner_texts(), lambda titles: len(set(titles)) >= 1)
        console.look(f"account {name}", quick=name != "suspended")
        console.reload()


def described(console):
    """The words that belong to the field."""
    return field(console).evaluate(
        "field => (field.getAttribute('aria-describedby') ?? '').split(' ').map(id => document.getElementById(id)?.textContent ?? '').join(' ').trim()")


def lets_in(console, key, report):
    page = console.page
    page.evaluate("location.hash = '#/trash'")
    console.enter_key(key.secret)
    console.arrive("#/trash")
    report.check("after signing in one is where one was going", page.url.endswith("#/trash"))


def leaves(console, report):
    page = console.page
    console.go("#/account")
    page.get_by_role("button", name="Sign out").click()
    console.arrive("#/key")
    report.check("signing out forgets the key", page.evaluate("sessionStorage.length"), 0)


if __name__ == "__main__":
    run(main)
