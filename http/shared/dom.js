// Building elements. Text only ever becomes a text node: nothing here reads markup.

/**
 * Makes an element: `name` is its tag, with classes behind dots ("p.note"); of the attributes, functions become listeners, `true` an empty attribute,
 * `false` and `null` none; children are nodes, texts, or lists of these, and what is nothing is passed over.
 */
export function h(name, attributes, ...children) {
	const [tag, ...classes] = name.split(".");
	const element = document.createElement(tag);
	if (classes.length) element.className = classes.join(" ");
	for (const [key, value] of Object.entries(attributes ?? {})) {
		if (value === null || value === undefined || value === false) continue;
		if (typeof value === "function") element.addEventListener(key, value);
		else element.setAttribute(key, value === true ? "" : String(value));
	}
	append(element, children);
	return element;
}

/** Puts children into an element, passing over what is nothing. */
export function append(parent, child) {
	if (Array.isArray(child)) for (const one of child) append(parent, one);
	else if (child instanceof Node) parent.append(child);
	else if (child !== null && child !== undefined && child !== false) parent.append(String(child));
}

let uniqueNumber = 0;
/** An id that no other element has. */
export const uniqueID = (prefix = "id") => `${prefix}-${(uniqueNumber += 1)}`;

/** Tells users of screen readers what happened. While a dialog is open they hear nothing of what lies below it. */
export function announce(text) {
	const region = [...document.querySelectorAll("#announcements, dialog[open] > .announcements")].at(-1);
	if (region) region.textContent = text;
}

/** Copies a text, also where the page came over plain http and browsers offer no clipboard; whether that worked. */
async function copy(text) {
	try {
		await navigator.clipboard.writeText(text);
		return true;
	} catch {
		const area = h("textarea.offscreen", { readonly: true, "aria-hidden": "true" });
		area.value = text;
		document.body.append(area);
		area.select();
		const isDone = document.execCommand("copy");
		area.remove();
		return isDone;
	}
}

/** A button that copies what `text()` gives, with a name for those who do not see what it stands beside. */
export function copyButton(text, what) {
	const button = h("button.quiet.copy", { type: "button", "aria-label": `Copy ${what}` }, "Copy");
	button.addEventListener("click", async () => {
		const isDone = await copy(text());
		button.focus();
		button.textContent = isDone ? "Copied" : "Not copied";
		announce(isDone ? "Copied" : "This browser does not let the page copy");
		setTimeout(() => { button.textContent = "Copy"; }, 1600);
	});
	return button;
}
