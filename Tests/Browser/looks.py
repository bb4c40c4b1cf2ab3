"""What is looked at on a page, whichever it is: what is cut off, what is too small to be hit, and what axe finds."""

from axe_playwright_python.sync_playwright import Axe

# Level AA of WCAG 2.2, and what axe's makers recommend beyond it.
AXE_OPTIONS = {
    "resultTypes": ["violations"],
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]},
}

# What is wider than its place, unless it is told to scroll (`data-scrolls`), has no box of its own, or is there for ears alone.
WIDE = """() => {
  const fields = ["TEXTAREA", "SELECT", "INPUT"];
  const wide = [...document.querySelectorAll("body, body *")].filter(element => {
    const style = getComputedStyle(element);
    return element.checkVisibility() && style.display !== "inline" && !fields.includes(element.tagName) && element.clientWidth > 1
      && !element.closest(".offscreen, [data-scrolls], svg") && element.scrollWidth > element.clientWidth + 1;
  }).map(element => `${element.tagName}.${element.className} ${element.textContent.slice(0, 40)}`);
  if (document.documentElement.scrollWidth > innerWidth) wide.push("the page");
  for (const dialog of document.querySelectorAll("dialog[open]")) {
    const box = dialog.getBoundingClientRect();
    if (box.top < 0 || box.left < 0 || box.bottom > innerHeight + 1 || box.right > innerWidth + 1) wide.push("a dialog beyond the screen");
  }
  return wide;
}"""

# What can be hit and is smaller than 44 pixels. A link within a sentence is as high as its line, a field may be hit on its label, and a link may be
# stretched over the card that it leads to.
SMALL = """() => {
  const isWithinText = element => getComputedStyle(element).display === "inline"
    && [...element.parentElement.childNodes].some(node => node !== element && node.nodeType === Node.TEXT_NODE && node.textContent.trim());
  const size = element => {
    const boxes = [element, ...(element.labels ?? [])].map(one => one.getBoundingClientRect());
    const stretched = getComputedStyle(element, "::after");
    if (stretched.content !== "none" && stretched.position === "absolute") {
      boxes.push({ width: parseFloat(stretched.width) || 0, height: parseFloat(stretched.height) || 0 });
    }
    return [Math.max(...boxes.map(box => box.width)), Math.max(...boxes.map(box => box.height))];
  };
  const targets = "a[href], button, summary, select, textarea, input:not([type=hidden]), [role=button], [tabindex='0'][role]";
  return [...document.querySelectorAll(targets)].filter(element => {
    const box = element.getBoundingClientRect();
    const isSeen = element.checkVisibility({ opacityProperty: true, visibilityProperty: true }) && box.right > 0 && box.bottom + scrollY > 0
      && !(element.tagName !== "INPUT" && box.width <= 1) && !element.closest(".offscreen:not(:focus-within)");
    return isSeen && !isWithinText(element) && Math.min(...size(element)) < 43.5;
  }).map(element => `${element.outerHTML.slice(0, 120)} ${size(element).map(Math.round).join(" x ")}`);
}"""


def wide(page):
    """What is cut off."""
    return page.evaluate(WIDE)


def small(page):
    """What is too small for a finger."""
    return page.evaluate(SMALL)


def flaws(page):
    """What axe finds: the rule, what broke it, and why."""
    # Forced colours are the browser's choice at the moment of painting, and axe reads those from before it.
    is_forced = page.evaluate("matchMedia('(forced-colors: active)').matches")
    options = {**AXE_OPTIONS, "rules": {"color-contrast": {"enabled": not is_forced}}}
    found = Axe().run(page, options=options).response["violations"]
    return [(flaw["id"], flaw["nodes"][0]["html"][:300], flaw["nodes"][0].get("failureSummary", "")[:300]) for flaw in found]
