"""What Schemathesis has to be told of this service: where images come from, and the few rules that no schema can say.

Every rule here lets one answer of one code pass, and never a status: whatever else goes wrong is still found.
"""

import os
import re
import uuid

import schemathesis
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from schemathesis.core.failures import AcceptedNegativeData
from schemathesis.openapi.checks import RejectedPositiveData

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"
# A GIF of one pixel whose bytes are ASCII, because files of forms are texts here.
PIXEL_TEXT = "GIF89a\x01\0\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;"
# A server of images on this machine, and the token of an image that no key of this run can delete.
IMAGE_URL = os.environ["PERSONAS_IMAGE_URL"]
MEDIA_TOKEN = os.environ["PERSONAS_MEDIA_TOKEN"]
WAIT_SECONDS_MAX = 1
ENTITY_TAGS = r'\*|(W/)?"[!#-~]*"(, ?(W/)?"[!#-~]*")*'

schemathesis.openapi.format("image-base64", st.sampled_from([PIXEL, "data:image/png;base64," + PIXEL]))
schemathesis.openapi.format("image-url", st.just(IMAGE_URL))
schemathesis.openapi.format("image-file", st.just(PIXEL_TEXT))


@schemathesis.hook
def before_load_schema(context, raw_schema):
    # The server runs with --development-downloads, where plain http is taken as well.
    raw_schema["components"]["schemas"]["ImageURL"]["pattern"] = r"^https?://\S+$"


@schemathesis.hook
def before_call(context, case, kwargs):
    headers, query, body = case.headers or {}, case.query or {}, case.body
    # Generated keys repeat ("0"), and the second body under one is a rightful 422 that hides the rule under test.
    if re.fullmatch(r"[!-~]{1,255}", str(headers.get("Idempotency-Key", ""))):
        headers["Idempotency-Key"] = str(uuid.uuid4())
    # What is right and long is made short, because nothing comes to end most of the waits.
    if re.fullmatch(r"wait=\d+", str(headers.get("Prefer", ""))):
        headers["Prefer"] = f"wait={WAIT_SECONDS_MAX}"
    if is_between(query.get("wait"), WAIT_SECONDS_MAX, 60):
        query["wait"] = WAIT_SECONDS_MAX
    # A stream of events comes to no end; what it says of a request that is wrong, the list says as well.
    if case.operation.path.endswith("/events") and case.headers is not None:
        headers["Accept"] = "application/json"
    if isinstance(body, dict):
        # A whole number is written without a fraction, which to a schema is the same.
        for name in ("progress", "wait_seconds"):
            if isinstance(body.get(name), float) and body[name].is_integer():
                body[name] = int(body[name])
        if is_between(body.get("wait_seconds"), WAIT_SECONDS_MAX, float("inf")):
            body["wait_seconds"] = WAIT_SECONDS_MAX
        # The addresses of examples are nobody's.
        if isinstance(body.get("image_urls"), list):
            body["image_urls"] = [IMAGE_URL if str(url).startswith("https://images.example/") else url for url in body["image_urls"]]
        if case.media_type == "multipart/form-data":
            # Examples and boundary values are texts where files stand, and no header can carry the names of some members that mean nothing.
            if isinstance(body.get("image"), list):
                body["image"] = [PIXEL_TEXT if isinstance(image, str) else image for image in body["image"]]
            for name in [name for name in body if re.search(r"[\x00-\x1f\x7f]", str(name))]:
                del body[name]
    if case.operation.path == "/media/{token}" and re.fullmatch(r"[0-9a-f]{32}", str(case.path_parameters.get("token"))):
        case.path_parameters["token"] = MEDIA_TOKEN


def is_between(value, low, high):
    return isinstance(value, int) and not isinstance(value, bool) and low < value <= high


def is_only_incomplete(case):
    """Whether a create is to be checked alone, and lacks nothing but members that it may lack then."""
    if str((case.query or {}).get("validate_only")).lower() != "true" or not isinstance(case.body, dict):
        return False
    root = case.operation.schema.raw_schema
    is_form = case.media_type == "multipart/form-data"
    images = {"image": ["", "", ""]} if is_form else {"image_base64s": [PIXEL] * 3}
    given = {name: value for name, value in case.body.items() if value is not None}
    has_images = not is_form and any(name in given for name in ("image_urls", "image_base64s"))
    whole = {"name": "Whole", **({} if has_images else images), **given}
    schema = {"$ref": f"#/components/schemas/{'CreateForm' if is_form else 'CreateRequest'}", "components": root["components"]}
    return Draft202012Validator(schema).is_valid(whole)


@schemathesis.hook
def filter_failure(context, failure, case, response):
    if isinstance(failure, AcceptedNegativeData):
        return not is_only_incomplete(case)
    if not isinstance(failure, RejectedPositiveData):
        return True
    error = response.json()["error"]
    fields = {detail["field"] for detail in error.get("details", [])}
    sent = {name.lower() for name in case.headers or {}}
    match response.status_code, error["code"]:
        # Whether training still runs is not in the request.
        case 400, "CANNOT_DELETE_PROCESSING":
            return case.method != "DELETE"
        # Nor is whether there is something to cancel, or to try again.
        case 409, "CONFLICT":
            return case.operation.path.rpartition("/")[2] not in ("cancel", "retry")
        # A cursor is opaque, and bound to its list.
        case 400, "VALIDATION_ERROR" if fields == {"cursor"}:
            return False
        # Of which item the end is to be waited for, another parameter says.
        case 400, "VALIDATION_ERROR" if fields == {"until"}:
            return case.operation.path != "/v2/events"
        # For want of an idea of such a header Schemathesis sends "0" as one.
        case 400, "VALIDATION_ERROR" if fields <= {"If-Match", "If-None-Match"}:
            return all(re.fullmatch(ENTITY_TAGS, str(value)) for name, value in (case.headers or {}).items() if name in fields)
        case 412, "PRECONDITION_FAILED":
            return not sent & {"if-match", "if-none-match"}
        case 416, "RANGE_NOT_SATISFIABLE":
            return "range" not in sent
    return True


@schemathesis.check
def headers_of_every_answer(ctx, response, case):
    """Every header that is sent stands in the document, and those of every answer are on every answer."""
    # A component is called by the name of its header, with a dot before what tells two of one name apart.
    documented = {name.split(".")[0].lower() for name in case.operation.schema.raw_schema["components"]["headers"]}
    unknown = set(response.headers) - documented - {"content-type", "content-length", "date", "connection", "transfer-encoding"}
    assert not unknown, f"headers that are not documented: {', '.join(sorted(unknown))}"
    missing = {"x-request-id", "x-content-type-options", "cache-control", "vary"} - set(response.headers)
    assert not missing, f"headers that every answer has, and this one has not: {', '.join(sorted(missing))}"
