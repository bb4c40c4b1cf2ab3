"""Makes personas from photographs that are chosen, dropped, pasted and told by address: what is wrong is said where it is, nothing that was entered is
lost, and nothing is made twice. Mends one that did not work."""

import base64

import pictures
from console import Console, run
from server import Client, Server, Worker, eventually
from wire import Wire

# What a browser hands to a page with a drop, or with a paste.
TRANSFER = """([type, name, files]) => {
  const transfer = new DataTransfer();
  for (const { name, type, text } of files) transfer.items.add(new File([Uint8Array.from(atob(text), letter => letter.charCodeAt(0))], name, { type }));
  const options = { bubbles: true, cancelable: true };
  const target = document.querySelector("dialog[open]");
  if (name === "paste") return target.dispatchEvent(new ClipboardEvent(name, { ...options, clipboardData: transfer }));
  target.dispatchEvent(new DragEvent("dragover", { ...options, dataTransfer: transfer }));
  return target.dispatchEvent(new DragEvent(name, { ...options, dataTransfer: transfer }));
}"""

GIF = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")


def main(browser, given, report):
    with Server(given) as server:
        key = server.key()
        client, worker = Client(server, key), Worker(server)
        client.create("Nova Reyes")
        with Console(browser, given, report, server) as console:
            console.sign_in(key)
            form = Form(console)
            chooses(console, form, client, report)
            mends(console, form, client, worker, report)
            refused_by_the_service(console, form, client, report)
            if console.variant == "desktop":
                checks(browser, console, form, report)
                drops_and_pastes(console, form, client, report)
                stops(browser, console, form, client, report)
                waits(console, form, client, report)
                leaves(console, form, key, report)
        if given.get("variant", "desktop") == "desktop":
            loses_answers(browser, given, report, server)


class Form:
    """The dialog, as its reader finds it."""

    def __init__(self, console):
        self.console, self.page = console, console.page
        self.dialog = self.page.locator("dialog.sheet")

    def open(self):
        """Opens it over the list, once that is drawn: an empty one has its button elsewhere."""
        self.page.locator("main [aria-busy=true]").wait_for(state="detached")
        self.page.get_by_role("button", name="New persona").click()
        self.dialog.wait_for()

    def name(self, name):
        self.dialog.get_by_label("Name", exact=True).fill(name)

    def choose(self, files, place=0, count=None):
        """Chooses files for a place, and waits until the film has as many photographs as it should."""
        self.dialog.locator("input[type=file]").nth(place).set_input_files(files)
        if count is not None:
            eventually("the photographs", lambda: self.dialog.locator(".frame img").count() == count)

    def create(self):
        self.dialog.get_by_role("button", name="Create", exact=True).click()

    def close(self, is_discarded=True):
        """Leaves by the button, and says what becomes of what was entered."""
        self.dialog.get_by_role("button", name="Close").click()
        if is_discarded:
            self.page.get_by_role("button", name="Discard").click()
        self.gone()

    def gone(self):
        self.dialog.wait_for(state="detached", timeout=30_000)
        self.console.until("() => !location.hash.endsWith('/new')")

    def note(self, text):
        """Waits for words below the film."""
        self.dialog.locator(".film-notes", has_text=text).wait_for()

    def trouble(self, text):
        """Waits for words at a field, or above the form."""
        self.dialog.locator(".field .trouble, .note", has_text=text).first.wait_for()

    def said(self, label):
        """What belongs to a field."""
        return self.dialog.get_by_label(label, exact=True).evaluate(
            "field => (field.getAttribute('aria-describedby') ?? '').split(' ').map(id => document.getElementById(id)?.textContent ?? '').join(' ')")

    def transfer(self, event, files):
        self.page.evaluate(TRANSFER, [None, event, [{"name": one["name"], "type": one["mimeType"], "text": base64.b64encode(one["buffer"]).decode()} for one in files]])


def chooses(console, form, client, report):
    """The usual way: a name, three files, Create."""
    page = console.page
    form.open()
    report.check("an empty film has nothing to remark", form.page.get_by_text("same picture").count(), 0)
    report.check("the name has the focus", console.focused(), lambda name: name.startswith("Name"))
    console.look("create empty", quick=True)
    form.create()
    report.check("what is missing is said, and has the focus", console.focused(), lambda name: name.startswith("Name"))
    report.check("with a link to each", form.dialog.locator(".summary a").all_inner_texts(), ["Give it a name.", *(f"Photograph {number}: Add a photograph" for number in [1, 2, 3])])
    form.name("nova  reyes")
    report.check("which are old once something changes", form.dialog.locator(".summary").is_visible(), False)
    form.trouble("is taken")
    report.check("a taken name is told while one types, with the way to it", form.dialog.locator(".trouble a").get_attribute("href"), lambda link: link.startswith("#/personas/"))
    form.name("Creator*Studio")
    report.check("a character that is not allowed is named", "Leave out “*”" in form.said("Name"))
    form.choose(pictures.files(2), count=2)
    form.choose([pictures.file("notes.txt", b"no picture", "text/plain")], 2)
    form.note("“notes.txt” is no JPEG")
    console.look("create")
    form.name("Ada")
    form.choose([pictures.file("third.png", pictures.png(64, 64, 9))], 2, count=3)
    form.dialog.get_by_role("button", name="Make portrait: Photograph 3").click()
    report.check("the focus tells what is first now", console.focused(), "Photograph 1, third.png")
    # As many characters as there may be, some of which are ends of lines.
    form.dialog.get_by_label("Special instructions").fill("Smile\n" * 50)
    form.create()
    form.gone()
    made = client.named("Ada")
    report.check("it is made", len(made), 1)
    report.check("with its instructions, letter by letter", made[0]["special_instructions"], "Smile\n" * 50)
    console.until("() => location.hash === '#/personas'")
    page.locator(".card", has_text="Ada").locator("img[src^=blob]").wait_for()
    eventually("the focus is on the new card", lambda: console.focused() == "Ada")
    console.until_announced("Ada is made")


def mends(console, form, client, worker, report):
    """What did not work is changed and tried again: the same photographs first, then others."""
    page = console.page
    for _ in range(2):
        job = worker.lease()
        (worker.fail if job["pikzonality"]["name"] == "Ada" else worker.complete)(job)
    id = client.named("Ada")[0]["id"]
    card = page.locator(".card", has_text="Ada")
    card.get_by_role("button", name="Edit").click()
    form.dialog.wait_for()
    form.dialog.get_by_text("replace all that it had").wait_for()
    report.check("the title names it", form.dialog.get_by_role("heading", level=2).inner_text(), "Mend “Ada”")
    form.choose(pictures.files(2, 40), count=2)
    form.dialog.get_by_role("button", name="Try again").click()
    console.look("mend", quick=True)
    report.check("two photographs are not enough", form.dialog.locator(".summary a").all_inner_texts(), ["Photograph 3: Add a photograph"])
    form.choose(pictures.files(1, 50), 2, count=3)
    form.dialog.get_by_role("button", name="Try again").click()
    form.gone()
    console.until_announced("Ada is tried again")
    report.check("it is tried again with other photographs", client.until(id, "processing")["status"], "processing")


def refused_by_the_service(console, form, client, report):
    """Each thing that the service refuses is told where it is."""
    page = console.page
    form.open()
    form.name("Broken")
    # A browser shows a GIF whose end is missing, the service takes whole ones alone.
    cut = GIF[:-1]
    form.choose([pictures.file("cut.gif", cut, "image/gif"), pictures.file("whole.png", pictures.png(64, 64)), pictures.file("cut-too.gif", cut + b"\0", "image/gif")], count=3)
    console.expect(400, "/v2/personas")
    form.create()
    form.note("Photograph 1")
    form.note("Photograph 3")
    report.check("every bad photograph is named at once", form.dialog.locator(".frame.wrong").count(), 2)
    report.check("and marked", form.dialog.locator("input[type=file][aria-invalid=true]").count(), 2)
    console.look("create refused photographs", quick=True)
    form.dialog.get_by_text("Use web addresses").click()
    form.dialog.get_by_label("Address of photograph 1").fill("http://127.0.0.1/a.png")
    form.create()
    report.check("an address by plain http is refused before it is sent", "https://" in form.said("Address of photograph 1"))
    for number in [1, 2, 3]:
        form.dialog.get_by_label(f"Address of photograph {number}").fill(f"https://127.0.0.1:1/{number}.png")
    report.check("the fields tell the hosts", form.dialog.locator(".addresses .hint").all_inner_texts(), ["127.0.0.1:1"] * 3)
    form.create()
    eventually("the words for each address", lambda: form.dialog.locator(".addresses [aria-invalid=true]").count() == 3)
    console.look("create refused addresses", quick=True)
    form.close()
    report.check("nothing was made of it", client.named("Broken"), [])


def checks(browser, console, form, report):
    """What a file is, is looked at before it travels."""
    page = console.page
    form.open()
    for name, content, words in [
        ("empty.png", b"", "“empty.png” is no JPEG"), ("phone.heic", pictures.heic(), "Export as JPEG"), ("wide.png", pictures.huge_png(), "16385 × 16385"),
        ("cut.png", pictures.png(64, 64)[:60], "damaged"), ("film.mp4", b"\0\0\0\x18ftypmp42" + bytes(40), "is no JPEG"),
    ]:
        form.choose([pictures.file(name, content)])
        form.note(words)
        report.check(f"{name} is refused in its place", form.said("Add a photograph: Photograph 1"), lambda said, words=words: words in said)
    same = pictures.png(32, 32, 1)
    form.choose([pictures.file("a.png", same), pictures.file("b.gif", GIF, "image/gif"), pictures.file("c.png", same), pictures.file("d.png", same)], count=3)
    form.note("the same picture as photograph 1")
    form.note("No room for “d.png”")
    form.choose([pictures.file("bad.txt", b"no picture")], 1)
    form.note("“bad.txt” is no JPEG")
    report.check("a bad file takes no good one's place", (form.dialog.locator(".frame img").count(), form.dialog.locator(".frame.wrong").count()), (3, 0))
    form.dialog.get_by_role("button", name="Remove: Photograph 3").click()
    report.check("after a removal the focus is on the empty place", console.focused(), "Add a photograph: Photograph 3")
    large = pictures.photograph(browser, 4200, 400, 4)
    form.choose([pictures.file("large.jpg", large, "image/jpeg")], 2)
    form.note("Made smaller")
    report.check("a note says by how much", form.dialog.locator(".film-notes").inner_text(), lambda text: "→" in text)
    form.dialog.get_by_role("button", name="Use original").click()
    form.dialog.locator(".film-notes", has_text="Made smaller").wait_for(state="detached")
    form.dialog.get_by_role("button", name="Remove: Photograph 3").click()
    huge = pictures.png(200, 200, 5, bytes_min=10_600_000)
    form.choose([pictures.file("huge.png", huge)], 2)
    form.note("Made smaller")
    report.check("what is over 10 MB cannot be sent as it is", (len(huge) > 10_485_760, form.dialog.get_by_role("button", name="Use original").count()), (True, 0))
    console.look("create with notes", quick=True)
    form.dialog.get_by_role("button", name="Remove: Photograph 1").click()
    # What is slow to be examined arrives although its place is another by then.
    page.evaluate("""() => {
      const decode = createImageBitmap;
      globalThis.createImageBitmap = async image => { await new Promise(resolve => { globalThis.goOn = resolve; }); return decode(image); };
      globalThis.decodeAtOnce = () => { globalThis.createImageBitmap = decode; goOn(); };
    }""")
    form.choose([pictures.file("slow.png", pictures.png(40, 40, 7))])
    console.until("Boolean(globalThis.goOn)")
    form.dialog.get_by_role("button", name="Make portrait: Photograph 3").click()
    page.evaluate("decodeAtOnce()")
    eventually("the slow photograph", lambda: form.dialog.locator(".frame img").count() == 3)
    report.check("where its place went", form.dialog.locator("input[type=file]").nth(1).get_attribute("aria-label"), "Photograph 2, slow.png")
    form.note("3 of 3")
    report.check("and nothing is being looked at any more", form.dialog.get_by_text("Looking…").count(), 0)
    form.close()
    form.open()
    form.choose([pictures.file("first.txt", b"no picture"), *pictures.files(3, 30)], count=3)
    form.note("“first.txt” is no JPEG")
    form.close()


def drops_and_pastes(console, form, client, report):
    form.open()
    form.name("Dropped")
    form.transfer("drop", pictures.files(2, 20))
    form.note("2 of 3")
    form.transfer("paste", [pictures.file("image.png", pictures.png(50, 50, 77))])
    form.note("3 of 3")
    form.create()
    form.gone()
    report.check("what was dropped and pasted is made", len(client.named("Dropped")), 1)


def loses_answers(browser, given, report, server):
    """An answer that is lost after the service has done the work is asked for again, and nothing is made twice."""
    key = server.key("over-a-bad-wire")
    client = Client(server, key)
    with Wire(server) as wire, Console(browser, given, report, server, address=wire.address) as console:
        console.sign_in(key)
        form = Form(console)
        console.expect("net", "/v2/")
        form.open()
        form.name("Only Once")
        form.choose(pictures.files(3, 60), count=3)
        # The words are asked about first, by a POST to the same path with a query. How often the browser repeats by itself depends on its connections.
        wire.swallow_next_answer("POST /v2/personas HTTP", times=100)
        form.create()
        console.until_announced("asking again")
        wire.restore()
        form.gone()
        report.check("a lost answer makes nothing twice", len(client.named("Only Once")), 1)
        form.open()
        form.name("Cut Once")
        form.choose([pictures.file(f"{index}.png", pictures.png(200, 200, index, bytes_min=400_000)) for index in range(3)], count=3)
        wire.cut_after_bytes_up(200_000, "POST /v2/personas HTTP", times=2)
        form.create()
        form.gone()
        report.check("an upload that is cut is sent again", (wire.cut_count >= 1, len(client.named("Cut Once"))), (True, 1))


def stops(browser, console, form, client, report):
    """A slow upload says how far it is, and can be stopped."""
    form.open()
    form.name("Slow")
    form.choose([pictures.file(f"{index}.png", pictures.png(500, 500, index, bytes_min=3_000_000)) for index in range(3)], count=3)
    console.throttle(up=200_000)
    form.create()
    form.dialog.locator(".under-way p", has_text="Uploading").wait_for()
    report.check("the page says how far it is", form.dialog.locator(".under-way p").inner_text(), lambda text: " % · " in text and " of " in text)
    console.look("create uploading", quick=True)
    form.dialog.get_by_role("button", name="Cancel").click()
    console.throttle()
    form.trouble("Stopped. Nothing was made")
    report.check("what was stopped is not made", client.named("Slow"), [])
    report.check("and all is still there", form.dialog.locator(".frame img").count(), 3)
    page = console.page
    console.throttle(up=200_000)
    form.create()
    form.dialog.locator(".under-way p", has_text="Uploading").wait_for()
    page.go_back()
    form.gone()
    console.throttle()
    page.locator(".toast", has_text="New persona: Stopped").get_by_role("button", name="Close").click()
    form.open()
    console.throttle(up=4_000_000)
    form.create()
    form.dialog.get_by_role("button", name="Close").click()
    page.locator("dialog.question").wait_for()
    console.throttle()
    form.gone()
    page.locator("dialog.question").wait_for(state="detached")
    report.check("a question ends with its form, and it is made", len(client.named("Slow")), 1)
    # The service makes it, and the answer comes after somebody left.
    form.open()
    form.name("Left")
    form.choose(pictures.files(3, 90), count=3)
    held = []
    page.route("**/v2/personas", lambda route: (route.fetch(), held.append(route)) if route.request.method == "POST" else route.fallback())
    form.create()
    console.eventually("what is made", lambda: held)
    page.go_back()
    page.locator(".toast", has_text="Left is made").wait_for()
    page.unroute_all()
    form.open()
    report.check("what was made is forgotten", form.dialog.get_by_label("Name", exact=True).input_value(), "")
    form.close(is_discarded=False)


def waits(console, form, client, report):
    """Too many calls, and none that gets through: the form stays, and says why."""
    page = console.page
    form.open()
    form.name("Patient")
    form.choose(pictures.files(3, 80), count=3)
    refusal = {"status": 429, "headers": {"Retry-After": "2"}, "json": {"error": {"code": "TOO_MANY_REQUESTS", "message": "Too many requests"}, "request_id": "r"}}
    page.route("**/v2/personas?validate_only=true", lambda route: route.fulfill(**refusal), times=1)
    console.expect(429, "/v2/personas")
    form.create()
    form.dialog.get_by_role("button", name="Create in").wait_for()
    form.dialog.get_by_role("button", name="Create", exact=True).wait_for()
    form.create()
    form.gone()
    report.check("after the wait it is made", len(client.named("Patient")), 1)


def leaves(console, form, key, report):
    """Nobody loses by accident what was entered."""
    page = console.page
    form.open()
    console.press("Escape")
    form.gone()
    form.open()
    # Typed by keys: a browser closes a dialog without asking for one who has touched nothing in it.
    page.keyboard.type("Precious")
    console.press("Escape")
    page.get_by_role("button", name="Keep editing").click()
    report.check("one may go on", form.dialog.get_by_label("Name", exact=True).input_value(), "Precious")
    page.go_back()
    form.gone()
    form.open()
    report.check("after Back it is still there", form.dialog.get_by_label("Name", exact=True).input_value(), "Precious")
    console.expect(401, "/v2/")
    refused = {"status": 401, "json": {"error": {"code": "API_KEY_INACTIVE", "message": "inactive"}, "request_id": "r"}}
    page.route("**/v2/personas?validate_only=true", lambda route: route.fulfill(**refused), times=1)
    form.choose(pictures.files(3), count=3)
    form.create()
    console.arrive("#/key")
    console.enter_key(key.secret)
    form.dialog.wait_for()
    report.check("who had to sign in again finds the draft", form.dialog.get_by_label("Name", exact=True).input_value(), "Precious")
    report.check("with its photographs", form.dialog.locator(".frame img").count(), 3)
    form.close()
    form.open()
    report.check("or starts afresh", (form.dialog.get_by_label("Name", exact=True).input_value(), form.dialog.locator(".frame img").count()), ("", 0))
    form.close(is_discarded=False)


if __name__ == "__main__":
    run(main)
