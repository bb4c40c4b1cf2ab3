// The door: one field for the key, and what keeps an account out.

import { h } from "../dom.js";
import { field } from "../forms.js";
import { button, during, pageHead, problemNote, requestNote } from "../parts.js";
import { words } from "../words.js";

const text = words.key;
const door = (title, lead, ...children) => ({ title, element: h("div.page.door", null, pageHead(title, lead), children) });

/** `enter(secret, isToBeKept)` fails with a Problem; `trouble` is what was wrong with the key before. */
export function keyScreen(enter, trouble) {
	const input = h("input", { type: "password", placeholder: "pkz_…", autocomplete: "current-password", autofocus: true });
	const { element, setTrouble } = field(text.label, input);
	const keep = h("input", { type: "checkbox" });
	const open = h("button.primary", null, h("span", null, text.title));
	const notes = h("div");
	const send = async () => {
		const secret = input.value.trim();
		const problem = /^pkz_[!-~]+$/.test(secret) ? await enter(secret, keep.checked).catch((error) => error) : { code: "INVALID_API_KEY_FORMAT" };
		const why = text.refused[problem?.code];
		setTrouble(why);
		notes.replaceChildren(problem && !why ? problemNote(problem) : "");
		if (why) input.focus();
	};
	setTrouble(trouble);
	return door(text.title, text.lead,
		h("form.print-card", { submit(event) { event.preventDefault(); during(open, text.checking, send); } },
			h("input.offscreen", { value: "API key", autocomplete: "username", tabindex: "-1", "aria-hidden": "true", readonly: true }),
			element, h("label.check", null, keep, text.keep), open, notes),
		h("p.quiet", null, text.where, h("code", null, "personas keys create --account NAME"), text.goes));
}

/** For an account that no key lets in; null for others. */
export function accessScreen(problem, leave) {
	const barred = text.barred[problem.code];
	return barred ? door(...barred, requestNote(problem), button(text.otherKey, leave)) : null;
}
