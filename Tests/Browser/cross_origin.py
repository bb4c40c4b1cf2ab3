"""Calls the service from pages of other origins, as a web frontend does: listed ones, subdomains of a listed domain, and some that are not listed."""

import time

from harness import run

SECONDS_TO_TRAIN = 30


def main(browser, given, report):
    page = browser.open("http://app.example/")
    caller = Caller(page, given["api"], given["key"])
    first = creates(caller, given, report)
    completed = reads(caller, first, report)
    changes(caller, completed, report)
    meets_errors(caller, given, report)
    waits(Caller(page, given["closed_api"], given["key"]), report)
    draws(page, completed["portrait_url"], report)
    report.check(
        "a listed page hears of no trouble but of the statuses that it asked for",
        [line for line in page.complaints if not line.startswith("Failed to load resource: the server responded with a status of ")],
        lambda others: all("getImageData" in line or "tainted" in line for line in others),
    )
    is_told_apart(browser, given, completed, report)


class Caller:
    """Calls the service from within a page."""

    def __init__(self, page, api, key):
        self.page, self.api, self.key = page, api, key

    def call(self, method, path, **options):
        options["headers"] = {"X-Api-Key": self.key, **options.get("headers", {})}
        return self.call_without_key(method, path, **options)

    def call_without_key(self, method, path, **options):
        return self.page.evaluate("([method, url, options]) => call(method, url, options)", [method, self.api + path, options])


def creates(caller, given, report):
    body = {"name": "Studio Host", "image_base64s": given["images"], "special_instructions": "Smile"}
    created = caller.call("POST", "/v2/personas", json=body, headers={"Idempotency-Key": "create-1"})
    report.check("a page creates a persona", created.get("status"), 201)
    headers, item = created["headers"], created["json"]
    report.check("and reads the id of its request", headers.get("x-request-id"), item["request_id"])
    report.check("and where it is", headers.get("location"), f"{given['api']}/v2/personas/{item['id']}")
    report.check("and its tag", headers.get("etag"), lambda tag: tag and tag.startswith('"'))
    report.check("and what is left of its limits", headers.get("ratelimit"), lambda text: text and text.startswith('"writes";r='))
    report.check("and which limits there are", headers.get("ratelimit-policy"), lambda text: text and '"reads"' in text)
    again = caller.call("POST", "/v2/personas", json=body, headers={"Idempotency-Key": "create-1"})
    report.check("that it sends again is answered again", again.get("json"), item)
    report.check("and marked as such", again["headers"].get("idempotent-replayed"), "true")
    report.check("with the id of the request that came first", again["headers"].get("original-request"), item["request_id"])
    return item


def reads(caller, item, report):
    deadline = time.monotonic() + SECONDS_TO_TRAIN
    while True:
        answer = caller.call("GET", f"/v2/personas/{item['id']}")
        if answer.get("json", {}).get("status") != "processing" or time.monotonic() > deadline:
            break
    report.check("a page polls until the persona is completed", answer.get("json", {}).get("status"), "completed")
    other = caller.call("POST", "/v2/styles", json={"name": "Paper", "image_base64s": []})
    report.check("a page reads why a create is refused", (other.get("status"), other["json"]["error"]["code"]), (400, "VALIDATION_ERROR"))
    listed = caller.call("GET", "/v2/pikzonality?limit=1&q=host")
    report.check("a page lists", [found["id"] for found in listed["json"]["data"]], [item["id"]])
    return answer["json"] | {"etag": answer["headers"].get("etag")}


def changes(caller, item, report):
    path = f"/v2/personas/{item['id']}"
    changed = caller.call("PATCH", path, json={"name": "Studio Guest"}, headers={"If-Match": item["etag"]})
    report.check("a page changes what it has read, by its tag", (changed.get("status"), changed["json"]["name"]), (200, "Studio Guest"))
    report.check("and gets another tag", changed["headers"].get("etag"), lambda tag: tag and tag != item["etag"])
    stale = caller.call("PATCH", path, json={"name": "Studio Ghost"}, headers={"If-Match": item["etag"]})
    report.check("and changes nothing by the old one", (stale.get("status"), stale["json"]["error"]["code"]), (412, "PRECONDITION_FAILED"))
    created = caller.call("POST", "/v2/personas", json={"name": "Second Host", "image_base64s": [item["portrait_url"]] * 3})
    report.check("a page reads the code of a bad image", (created.get("status"), created["json"]["error"]["code"]), (400, "INVALID_IMAGE"))
    page = caller.call("GET", "/v2/personas?limit=1")
    report.check("the only page of a list has no next one", (page["json"]["has_more"], page["headers"].get("link")), (False, None))


def meets_errors(caller, given, report):
    def expect(name, answer, status, code):
        error = (answer.get("json") or {}).get("error", {})
        report.check(f"a page reads {name}", (answer.get("status"), error.get("code")), (status, code))
        if "headers" in answer:
            report.check(f"and the id of the request, of {name}", answer["headers"].get("x-request-id"), answer["json"]["request_id"])
        return answer.get("headers", {})

    missing = expect("that its key is missing", caller.call_without_key("GET", "/v2/personas"), 401, "MISSING_API_KEY")
    report.check("a page reads how to present a key", missing.get("www-authenticate"), "ApiKey")
    expect("that its key is wrong", caller.call("GET", "/v2/personas", headers={"X-Api-Key": "pkz_x"}), 401, "INVALID_API_KEY")
    expect("that there is no such call", caller.call("POST", "/v2/thumbnails", json={}), 404, "NOT_FOUND")
    other = expect("that there is no such method", caller.call("PUT", "/v2/personas", json={}), 405, "METHOD_NOT_ALLOWED")
    report.check("a page reads which methods there are", other.get("allow"), "GET, HEAD, POST")
    large = {"name": "x" * (given["body_bytes_max"] + 1)}
    expect("that its body is too large", caller.call("POST", "/v2/personas", json=large), 413, "PAYLOAD_TOO_LARGE")
    plain = caller.call("POST", "/v2/personas", body="{}", headers={"Content-Type": "text/plain"})
    expect("that its body is of another type", plain, 415, "UNSUPPORTED_MEDIA_TYPE")


def waits(caller, report):
    answer = caller.call("GET", "/v2/personas")
    code = (answer.get("json") or {}).get("error", {}).get("code")
    report.check("a page reads that there is maintenance", (answer.get("status"), code), (503, "SERVICE_UNDER_MAINTENANCE"))
    report.check("and when to come back", answer.get("headers", {}).get("retry-after"), "77")


def draws(page, url, report):
    pixel = page.evaluate("url => firstPixel(url, 'anonymous')", url)
    report.check("a page draws an image and reads its pixels", pixel, lambda pixel: isinstance(pixel, list) and pixel[3] == 255)
    report.check("not where it did not ask for that", page.evaluate("url => firstPixel(url)", url), "SecurityError")


def is_told_apart(browser, given, item, report):
    path, key = f"/v2/personas/{item['id']}", given["key"]
    for origin, is_listed in [
        ("http://a.sub.example", True),
        ("http://b.a.sub.example", True),
        ("http://sub.example", False),
        ("http://other.example", False),
        ("http://evil-sub.example", False),
    ]:
        page = browser.open(f"{origin}/")
        caller = Caller(page, given["api"], key)
        shown = caller.call("GET", path)
        report.check(f"{origin} reads an item" if is_listed else f"{origin} reads nothing", shown.get("status"), 200 if is_listed else None)
        if is_listed:
            continue
        report.check(f"{origin} gets an error instead", shown, {"error": "TypeError"})
        report.check(f"{origin} deletes nothing", caller.call("DELETE", path), {"error": "TypeError"})
        # Without a key it is no preflight that stands in the way.
        report.check(f"{origin} reads no error either", caller.call_without_key("GET", path), {"error": "TypeError"})
        report.check(f"{origin} is told so in its console", any("CORS policy" in line for line in page.complaints))
        draws(page, item["portrait_url"], report)
    page = browser.open("http://app.example/")
    shown = Caller(page, given["api"], key).call("GET", path)
    report.check("what others were refused is as it was", shown.get("status"), 200)


if __name__ == "__main__":
    run(main)
