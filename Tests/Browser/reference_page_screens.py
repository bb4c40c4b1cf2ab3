"""Looks at the reference page on screens of several sizes, in the light and in the dark: whether all can be seen, and what axe finds."""

from harness import run
from looks import flaws as axe_flaws, wide as wide_elements
from reference_page import Reader, go

SIZES = [(1280, 900), (390, 844), (320, 640)]
# Contrast hangs on colours and order on width: not all of both has to be looked at for them, nor every view, which takes long.
AXED = [(1280, "light"), (1280, "dark"), (390, "light")]
AXED_VIEWS = ["", "#/createPersona", "#/errors", "#/schemas/Persona"]
# A view of each kind, and those with the longest words.
VIEWS = ["", "#/createPersona", "#/listPersonas", "#/completeTrainingJob", "#/errors", "#/schemas", "#/schemas/Persona", "#/nothing"]


def main(browser, given, report):
    fits(Reader(browser, given), report)


def fits(reader, report):
    for colours in ["light", "dark"]:
        for width, height in SIZES:
            page = reader.open(viewport={"width": width, "height": height}, color_scheme=colours, bypass_csp=True)
            name = f"at {width} pixels in the {colours}"
            wide, flaws = [], []
            for view in VIEWS:
                go(page, view)
                page.evaluate("document.querySelectorAll('main details').forEach(details => { details.open = true; })")
                wide += [(view, found) for found in wide_elements(page)]
                if (width, colours) in AXED and view in AXED_VIEWS:
                    flaws += [(view, *flaw) for flaw in axe_flaws(page)]
            report.check(f"{name} nothing is cut off", wide, [])
            if (width, colours) in AXED:
                report.check(f"{name} axe finds nothing", flaws, [])
            if page.locator("#menu").is_visible():
                page.locator("#menu").click()
                page.locator("#contents a", has_text="List styles").click()
                page.wait_for_url("**/docs#/listStyles")
                page.locator("main h1", has_text="List styles").wait_for()
                report.check(f"{name} the contents close behind a choice", page.locator("#contents").is_visible(), False)
            page.context.close()
    page = reader.open("#/createPersona", forced_colors="active", reduced_motion="reduce")
    moving = "[...document.querySelectorAll('*')].filter(one => getComputedStyle(one).transitionDuration !== '0s').length"
    report.check("nothing moves where that is not wanted", page.evaluate(moving), 0)
    report.check("and colours may be forced", page.complaints, [])


if __name__ == "__main__":
    run(main)
