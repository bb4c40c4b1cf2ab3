"""Uses the reference page as a reader does: looks at every call, searches, enters a key, tries calls, by mouse and by keyboard."""

import base64
import json
import re
import urllib.request

from harness import run

UNKNOWN_KEY = "pkz_0000000000000000000000000000000000000"


def main(browser, given, report):
    reader = Reader(browser, given)
    begins(reader, report)
    document = json.load(urllib.request.urlopen(f"{given['address']}/openapi.json"))
    shows_everything(reader, document, report)
    leads_everywhere(reader, report)
    searches(reader, report)
    keeps_colours(reader, report)
    needs_no_mouse(reader, report)
    keeps_the_key(reader, report)
    sends(reader, report)
    creates_from_files(reader, report)
    says_why_it_is_empty(reader, report)


class Reader:
    """Opens the page."""

    def __init__(self, browser, given):
        self.browser, self.given, self.address = browser, given, given["address"]

    def open(self, view="", path="/docs", **options):
        page = self.browser.open(self.address + path + view, **options)
        page.requests = []
        page.on("request", lambda request: page.requests.append(request))
        page.locator("body[data-ready]").wait_for(state="attached")
        return page

    def open_with_key(self, view, **options):
        page = self.open(view, **options)
        enter_key(page, self.given["key"])
        return page


def go(page, view):
    page.evaluate("view => { location.hash = view || '#/'; }", view)
    page.wait_for_function("view => (location.hash || '#/') === (view || '#/') && document.querySelector('main h1')", arg=view)


def enter_key(page, key, keep=False):
    page.locator("#key > summary").click()
    page.locator("#key-field").fill(key)
    if keep:
        page.locator("#key-keep").check()
    page.locator("#key-field").press("Enter")


def arrive(page, fragment, heading):
    """Waits until the page shows what its address names, which it does a moment after the address has changed."""
    page.wait_for_url(f"**/docs{fragment}")
    page.locator("main h1", has_text=heading).wait_for()


def lines(page):
    return page.locator(".film code").inner_text()


def send(page, button="Send"):
    page.locator(".try .primary").filter(has_text=button).click()
    return outcome(page)


def outcome(page):
    page.locator(".outcome .status").wait_for()
    return page.locator(".outcome").inner_text()


def begins(reader, report):
    for path in ["/docs", "/docs/"]:
        page = reader.open(path=path)
        report.check(f"{path} shows the page", page.locator("main h1").inner_text(), "Personas API")
        report.check(f"{path} tells the address", page.locator(".facts code").inner_text(), reader.address)
        report.check(f"{path} has nothing to complain of", page.complaints, [])
        others = page.evaluate("() => performance.getEntriesByType('resource').map(entry => entry.name)")
        report.check(f"{path} loads from the service alone", others, lambda urls: urls and all(url.startswith(reader.address) for url in urls))
    plain = reader.browser.open(f"{reader.address}/docs", java_script_enabled=False)
    report.check("without scripts the page leads to the document", plain.locator("noscript a").get_attribute("href").split("/")[-1], "openapi.yaml")


# Goes from view to view within the page, which takes no time for the way there and back.
VISIT = """async views => {
  const seen = [];
  for (const view of views) {
    if (location.hash !== view) await new Promise(done => {
      addEventListener("hashchange", () => setTimeout(done), { once: true });
      location.hash = view;
    });
    seen.push({ title: document.title, heading: document.querySelector("main h1").textContent, text: document.querySelector("main").textContent });
  }
  return seen;
}"""


def shows_everything(reader, document, report):
    page = reader.open()
    operations = [(method.upper(), path, one) for path, item in document["paths"].items() for method, one in item.items() if "operationId" in one]
    report.check("the document has calls", len(operations) >= 25)
    listed = page.locator("#contents a").evaluate_all("links => links.map(link => link.getAttribute('href'))")
    missing = []
    views = [f"#/{operation['operationId']}" for _, _, operation in operations]
    for view, shown, (method, path, operation) in zip(views, page.evaluate(VISIT, views), operations):
        wanted = [operation["summary"], method, path]
        wanted += [resolved(document, parameter)["name"] for parameter in operation.get("parameters", [])]
        for status, answer in operation["responses"].items():
            wanted += [status, *codes(resolved(document, answer))]
        missing += [(view, word) for word in wanted if word not in shown["text"]]
        if view not in listed:
            missing.append((view, "in the contents"))
        if shown["title"] != f"{operation['summary']} · Personas API":
            missing.append((view, shown["title"]))
    report.check("every call is there, with its parameters, its answers and its errors", missing, [])
    schemas = list(document["components"]["schemas"])
    shapes = page.evaluate(VISIT, [f"#/schemas/{name}" for name in schemas])
    report.check("every shape is there", [shape["heading"] for shape in shapes], schemas)
    go(page, "#/errors")
    shown = page.locator(".error h3 code").all_inner_texts()
    report.check("every error is there", sorted(shown), sorted(document["components"]["schemas"]["ErrorCode"]["enum"]))
    go(page, "#/createPersona")
    body = page.locator(".reading").inner_text()
    for words in ["at most 300 characters", "array of 3 strings or null", "Exactly one of image_urls and image_base64s.", "one of processing, completed or failed"]:
        report.check(f"rules are words: {words}", words in body)
    report.check("nothing of it was a trouble", page.complaints, [])


def resolved(document, value):
    for step in value.get("$ref", "#").split("/")[1:]:
        value = document[step] if step == "components" else value[step]
    return value


def codes(answer):
    return re.findall(r'"([A-Z]+_[A-Z_]+)"', json.dumps(answer.get("content", {}).get("application/json", {}).get("schema", {})))


def leads_everywhere(reader, report):
    page = reader.open("#/errors/NOT_FOUND")
    report.check("an address leads to an error", page.evaluate("document.activeElement.id"), "error-NOT_FOUND")
    report.check("which is in view", page.locator("#error-NOT_FOUND").bounding_box()["y"], lambda y: 0 <= y < 700)
    go(page, "#/about/lists")
    report.check("an address leads to a section", page.evaluate("document.activeElement.id"), "lists")
    page.locator("#contents a", has_text="Get a persona").first.click()
    arrive(page, "#/getPersona", "Get a persona")
    report.check("a link moves the focus to the heading", page.evaluate("document.activeElement.textContent"), "Get a persona")
    report.check("and marks itself", page.locator("#contents a[aria-current]").inner_text(), lambda text: "Get a persona" in text)
    page.go_back()
    arrive(page, "#/about/lists", "Personas API")
    report.check("back leads back", page.title(), "Introduction · Personas API")
    go(page, "#/nothing")
    report.check("an unknown address says so", page.locator("main h1").inner_text(), "Nothing here")


def searches(reader, report):
    page = reader.open()
    for question, first in [("create persona", "Create a persona"), ("IDEMPOTENCY_KEY_REUSED", "IDEMPOTENCY_KEY_REUSED"), ("lease_token", None), ("waiting", "Waiting instead of polling")]:
        page.locator("#search").fill(question)
        found = page.locator("#results a span:last-child").all_inner_texts()
        report.check(f"a search for {question} finds it", found, lambda found: found and (first is None or found[0] == first))
    page.locator("#search").fill("nonsense phrase")
    report.check("a search for nothing says so", page.locator("#results").inner_text(), lambda text: "nonsense phrase" in text)
    page.locator("#search").press("Escape")
    report.check("escape ends it", page.locator("#results").is_visible(), False)


def keeps_colours(reader, report):
    page = reader.open(color_scheme="light")
    background = "() => getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(background)
    page.get_by_role("button", name="Change colours").click()
    dark = page.evaluate(background)
    report.check("a button turns the light out", (light, dark), ("rgb(243, 239, 230)", "rgb(21, 16, 14)"))
    page.reload()
    page.locator("body[data-ready]").wait_for(state="attached")
    report.check("which lasts", page.evaluate(background), dark)
    report.check("and is all that lasts", page.evaluate("JSON.stringify(localStorage)"), '{"theme":"dark"}')
    report.check("the system's colours are the first", reader.open(color_scheme="dark").evaluate(background), dark)


def needs_no_mouse(reader, report):
    page = reader.open()
    keyboard = page.keyboard
    keyboard.press("Tab")
    report.check("the first stop is the way past the contents", page.evaluate("document.activeElement.id"), "skip")
    keyboard.press("Enter")
    report.check("which leads to the content, and nowhere else", page.evaluate("document.activeElement.id + location.hash"), "main")
    keyboard.press("Control+k")
    keyboard.type("list personas")
    keyboard.press("ArrowDown")
    keyboard.press("Enter")
    arrive(page, "#/listPersonas", "List personas")
    report.check("a call is found by keys alone", page.evaluate("document.activeElement.textContent"), "List personas")
    page.locator("#key > summary").focus()
    keyboard.press("Enter")
    keyboard.type(reader.given["key"])
    keyboard.press("Enter")
    report.check("a key is entered by keys alone", reader.given["key"] in lines(page))
    report.check("and the focus is where it was", page.evaluate("document.activeElement.tagName"), "SUMMARY")
    for _ in range(200):
        keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('.try .primary')"):
            break
    shape = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    report.check("the focus can be seen", shape, "solid")
    keyboard.press("Enter")
    report.check("a call is tried by keys alone", outcome(page), lambda text: text.startswith("200 OK"))


def keeps_the_key(reader, report):
    key = reader.given["key"]
    page = reader.open("#/getPersona")
    report.check("lines show a variable until there is a key", lines(page), lambda text: '"X-Api-Key: $KEY"' in text and "/v2/personas/$ID" in text)
    enter_key(page, "nonsense")
    report.check("what is no key is refused beside its field", page.locator("#key-problem").inner_text(), "A key begins with pkz_.")
    report.check("which is marked", page.locator("#key-field").get_attribute("aria-invalid"), "true")
    page.locator("#key-field").fill(key)
    page.locator("#key-field").press("Enter")
    report.check("lines carry the key", f"'X-Api-Key: {key}'" in lines(page))
    go(page, "")
    report.check("those of the introduction as well", page.locator(".prose .code").first.inner_text(), lambda text: key in text and "$HOST" not in text)
    everywhere = "JSON.stringify([localStorage, sessionStorage, location.href, document.cookie, history.state])"
    report.check("the key is stored nowhere", key not in page.evaluate(everywhere))
    page.reload()
    page.locator("body[data-ready]").wait_for(state="attached")
    report.check("and forgotten with the page", page.locator("#key > summary").inner_text(), "Enter your key")
    enter_key(page, key, keep=True)
    page.reload()
    page.locator("body[data-ready]").wait_for(state="attached")
    report.check("unless it is to be kept in the tab", page.locator("#key > summary").inner_text(), f"Key {key[:8]}…")
    page.locator("#key > summary").click()
    page.locator("#key-forget").click()
    report.check("until it is to be forgotten", page.evaluate("sessionStorage.length"), 0)
    report.check("which asked the service nothing", [request.url for request in page.requests if "/v2/" in request.url], [])


def sends(reader, report):
    page = reader.open("#/listPersonas")
    report.check("a missing key is foretold", page.locator(".hint").is_visible())
    report.check("and answered", send(page), lambda text: text.startswith("401 Unauthorized") and "MISSING_API_KEY" in text)
    enter_key(page, UNKNOWN_KEY)
    page.locator(".try .primary").click()
    page.locator(".outcome", has_text='"INVALID_API_KEY"').wait_for()
    report.check("a wrong key is answered", page.locator(".outcome").inner_text(), lambda text: text.startswith("401 Unauthorized"))

    page = reader.open_with_key("#/listPersonas")
    page.locator(".more > summary").click()
    page.locator(".try input[name='query metadata']").fill("campaign=a b!, owner=mia")
    report.check(
        "lines take what is typed for what it is, whatever it is",
        lines(page),
        lambda text: text.startswith("curl -g ") and text.endswith("/v2/personas?metadata[campaign]=a%20b%21&metadata[owner]=mia'; echo"),
    )
    page = reader.open_with_key("#/createPersona")
    report.check("nothing is sent before the button is pressed", [request.url for request in page.requests if "/v2/" in request.url], [])
    page.locator("textarea").fill(json.dumps({"name": "It's"}))
    report.check("a quote ends no argument", "It'\\''s" in lines(page))
    page.locator("textarea").fill(json.dumps({"name": "From the page", "image_base64s": reader.given["images"]}))
    report.check("what is typed stands in the lines", "From the page" in lines(page))
    report.check("a persona is created", send(page), lambda text: text.startswith("201 Created") and '"From the page"' in text)
    identifier = re.search(r'"id": "([0-9a-f-]{36})"', page.locator(".outcome").inner_text()).group(1)
    page.locator(".next a", has_text="Get a persona").first.click()
    arrive(page, "#/getPersona", "Get a persona")
    report.check("the next call has its id", lines(page), lambda text: text.endswith(f"/v2/personas/{identifier}'; echo"))
    report.check("and finds it", send(page), lambda text: text.startswith("200 OK") and identifier in text)
    page.locator(".outcome summary").click()
    report.check("the headers of the answer can be read", page.locator(".outcome details").inner_text(), lambda text: "x-request-id: " in text)
    page.wait_for_function(
        """async ([url, key]) => (await (await fetch(url, { headers: { "X-Api-Key": key } })).json()).status === "completed\"""",
        arg=[f"{reader.address}/v2/personas/{identifier}", reader.given["key"]])
    page.locator(".try .primary").click()
    page.locator(".outcome a[href*='/media/']").first.wait_for()
    link = page.locator(".outcome a[href*='/media/']").first.get_attribute("href")
    go(page, "#/getMedia")
    page.locator(".try input").first.fill(link.split("/")[-1])
    send(page)
    page.wait_for_function("document.querySelector('.outcome img')?.naturalWidth > 0")
    report.check("an image is shown", True)

    go(page, "#/deletePersona")
    page.locator(".try .primary").click()
    report.check("what is missing is pointed at", page.evaluate("document.activeElement.getAttribute('aria-invalid')"), "true")
    page.locator(".try input").first.fill(identifier)
    page.locator(".try .primary").click()
    report.check("a deletion is asked for twice", page.evaluate("document.activeElement.textContent"), "Keep it")
    page.keyboard.press("Enter")
    page.locator(".try .primary").click()
    report.check("and not sent before", [request.method for request in page.requests if request.method == "DELETE"], [])
    page.get_by_role("button", name="Delete it").click()
    report.check("then it is done", outcome(page), lambda text: text.startswith("200 OK"))


def creates_from_files(reader, report):
    page = reader.open_with_key("#/createStyle")
    page.locator(".try select").last.select_option("multipart/form-data")
    report.check("the lines show how files are sent", lines(page), lambda text: text.count("-F 'image=@") == 3)
    page.locator(".try input[name=name]").fill("Three files")
    files = [{"name": f"{index}.png", "mimeType": "image/png", "buffer": base64.b64decode(image)} for index, image in enumerate(reader.given["images"])]
    page.locator(".try input[type=file]").set_input_files(files)
    report.check("and name them", lines(page), lambda text: all(f"-F 'image=@{index}.png'" in text for index in range(3)))
    with page.expect_request(f"{reader.address}/v2/styles") as sent:
        page.locator(".try .primary").click()
    report.check("they are sent as a form", sent.value.header_value("content-type"), lambda text: text.startswith("multipart/form-data; boundary="))
    report.check("and make a style", outcome(page), lambda text: text.startswith("201 "))


def says_why_it_is_empty(reader, report):
    page = reader.browser.chromium.new_context().new_page()
    page.route("**/openapi.json", lambda route: route.fulfill(status=503, body="{}"))
    page.goto(f"{reader.address}/docs")
    page.get_by_role("heading", name="The document could not be read").wait_for()
    report.check("a page without its document says so", "503" in page.locator("main").inner_text())


if __name__ == "__main__":
    run(main)
