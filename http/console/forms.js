// Fields with their rules and their troubles.

import { h, uniqueID } from "./dom.js";
import { icon } from "./parts.js";
import { words } from "./words.js";

export function field(label, input, { hint, optional, max } = {}) {
	const id = input.id = uniqueID();
	const trouble = h("p.trouble", { id: `${id}-trouble`, hidden: true });
	const counter = max && h("span.counter", { "aria-hidden": "true" });
	input.setAttribute("aria-describedby", `${trouble.id}${hint ? ` ${id}-hint` : ""}`);
	// As the service counts them.
	const countUp = () => { if (counter) counter.textContent = `${[...input.value].length} of ${max}`; };
	input.addEventListener("input", countUp);
	countUp();
	return {
		input,
		element: h("div.field", null,
			h("div.field-head", null, h("label", { for: id }, label, optional && h("span.optional", null, " (optional)")), counter),
			input, hint && h("p.hint", { id: `${id}-hint` }, hint), trouble),
		/** Shows what is wrong, if anything: a text or nodes. */
		setTrouble(text) {
			trouble.replaceChildren(icon("warning"), h("span", null, text));
			trouble.hidden = !text;
			input.ariaInvalid = text ? "true" : null;
		},
	};
}

/** What is wrong with a form as a whole. */
export function summary() {
	const list = h("ul");
	const title = h("p");
	const element = h("div.note.bad.summary", { role: "alert", hidden: true }, title, list);
	return {
		element,
		show(troubles) {
			element.hidden = !troubles.length;
			title.textContent = words.problem.summary(troubles.length);
			list.replaceChildren(...troubles.map(({ input, text }) =>
				h("li", null, h("a", { href: `#${input.id}`, click(event) { event.preventDefault(); input.focus(); } }, text))));
			troubles[0]?.input.focus();
		},
	};
}

/** As the service writes names. */
export const normalizedName = (text) => text.trim().replace(/\s+/g, " ");

/** What is wrong with a name by the service's own rule; null where nothing is. */
export function nameTrouble(text) {
	const name = normalizedName(text);
	const strangers = [...new Set(name.replace(/[\w -]/g, ""))];
	if (strangers.length) return words.forms.nameStrangers(strangers);
	if (!name) return words.forms.nameMissing;
	return name.length > 25 ? words.forms.long(name.length, 25) : null;
}

/** The same of instructions. */
export function instructionsTrouble(text) {
	// The service takes tabs and line ends, and no other control characters.
	if (/(?![\t\n\r])\p{Cc}/u.test(text)) return words.forms.controlCharacters;
	const length = [...text].length;
	return length > 300 ? words.forms.long(length, 300) : null;
}
