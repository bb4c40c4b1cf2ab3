// What screens are made of.

import { isAborted, state, watch, whyNoWrites } from "./api.js";
import { announce, append, copyButton, h, uniqueID } from "./dom.js";
import { words } from "./words.js";

export function icon(name) {
	const [svg, use] = ["svg", "use"].map((tag) => document.createElementNS("http://www.w3.org/2000/svg", tag));
	svg.setAttribute("class", `icon icon-${name}`);
	svg.setAttribute("viewBox", "0 0 20 20");
	svg.ariaHidden = "true";
	use.setAttribute("href", import.meta.resolve(`./icons.svg#${name}`));
	svg.append(use);
	return svg;
}

/** A `name` tells it from others with the same words. */
export const button = (label, run, { kind, icon: image, name } = {}) =>
	h(kind ? `button.${kind}` : "button", { type: "button", "aria-label": name, click: run }, image && icon(image), h("span", null, label));

/** A button rests while nothing can be changed, and says why. */
export function writes(element, signal, scope) {
	element.addEventListener("click", (event) => {
		if (!element.title) return;
		event.preventDefault();
		event.stopImmediatePropagation();
		announce(element.title);
	}, true);
	watch(() => {
		element.title = whyNoWrites(scope) ?? "";
		element.ariaDisabled = element.title ? "true" : null;
	}, signal);
	return element;
}

/** Does something once at a time, while its button says `text`. */
export async function during(element, text, action) {
	if (element.ariaBusy) return;
	const label = element.lastElementChild;
	const before = label.textContent;
	element.ariaBusy = "true";
	label.textContent = text;
	try {
		await action();
	} finally {
		element.ariaBusy = null;
		// What was done may have given it another label.
		if (label.textContent === text) label.textContent = before;
	}
}

export function task(label, meanwhile, run, signal, options) {
	const element = writes(button(label, () => during(element, meanwhile, run), options), signal, options?.scope);
	return element;
}

const drawn = new WeakMap();
const nameOf = (element) => element.ariaLabel ?? element.textContent;

/** Draws anew what does not show these facts yet. A focus within stays on its name, or near it. */
export function renew(element, facts, build) {
	const text = JSON.stringify(facts);
	if (drawn.get(element) === text) return;
	drawn.set(element, text);
	const focused = element.contains(document.activeElement) ? document.activeElement : null;
	element.replaceChildren();
	append(element, build());
	if (!focused) return;
	const places = [...element.querySelectorAll("a, button"), document.querySelector("h1")];
	const next = places.find((place) => nameOf(place) === nameOf(focused)) ?? places[0];
	next.focus({ preventScroll: true });
}

const dayMinutes = 24 * 60;
const minutesSince = (text) => (Date.now() - new Date(text)) / 60_000;

function moment(text) {
	const minutes = Math.floor(minutesSince(text));
	if (minutes < -4 || minutes >= dayMinutes / 2) {
		const isNear = Math.abs(minutes) < 300 * dayMinutes;
		return new Date(text).toLocaleDateString("en-GB", isNear ? { day: "numeric", month: "short" } : { dateStyle: "medium" });
	}
	if (minutes < 1) return words.time.justNow;
	return minutes < 60 ? words.time.minutes(minutes) : words.time.hours(Math.floor(minutes / 60));
}

export const time = (text) =>
	h("time", { datetime: text, title: new Date(text).toLocaleString("en-GB", { dateStyle: "long", timeStyle: "medium" }) }, moment(text));

// What was just now is not so for ever.
setInterval(() => {
	for (const element of document.querySelectorAll("time")) element.textContent = moment(element.dateTime);
}, 60_000);

export const daysUntil = (text) => Math.max(0, Math.ceil(-minutesSince(text) / dayMinutes));

export function problemWords({ status, code, message, isMaintenance, retryAfterSeconds }) {
	if (status === 0) return words.problem.lost;
	if (status === 429) return words.problem.soon(retryAfterSeconds ?? 1);
	if (isMaintenance) return words.state.noWritesMaintenance;
	if (code === "CONFIGURATION_ERROR") return words.webhooks.unconfigured;
	if (code === "API_ACCESS_NOT_ENABLED") return words.problem.noScope;
	return (status < 500 && message) || words.problem.fault;
}

export const problemNote = (problem, action = problem.status === 402 && h("a.button", { href: "#/credits" }, words.credits.see)) => h("div.note.bad", { role: "alert" },
	h("p", null, icon("warning"), problemWords(problem)), problem.status >= 500 && requestNote(problem), action && h("div.actions", null, action));

export const requestNote = ({ requestID }) => requestID &&
	h("p", null, words.problem.requestID, " ", h("code", null, requestID), copyButton(() => requestID, words.problem.requestID));

export const emptyNote = (title, text, action) => h("div.empty", null, h("div.film", null, [0, 1, 2].map(() => h("span.frame"))),
	h("h2", null, title), text && h("p", null, text), h("div.actions", null, action));

export const choice = (label, options, attributes, chosen) => h("select", { "aria-label": label, ...attributes },
	Object.entries(options).map(([value, text]) => h("option", { value, selected: value === chosen }, text)));

export const part = (heading, ...children) => h("section.print-card", null, h("h2", null, heading), children);

/** What is empty is left out. */
export const facts = (pairs) => h("dl", null, pairs.map(([name, value]) => value !== "" && [h("dt", null, name), h("dd", null, value)]));

/** The title takes the focus when one comes to a screen. */
export const pageHead = (title, lead, action) => h("header.page-head", null,
	h("div", null, h("h1", { tabindex: "-1" }, title), lead && h("p.lead", null, lead)), action && h("div.actions", null, action));

/** Shows only what takes long enough to be wondered at. */
export function showSlowly(element) {
	element.hidden = true;
	setTimeout(() => { element.hidden = false; }, 200);
	return element;
}

export function connectionDot(signal) {
	const dot = h("p.connection", { role: "status" }, h("span.dot"), h("span"));
	watch(() => {
		dot.dataset.state = state.maintenanceUntil ? "maintenance" : state.connection;
		dot.lastChild.textContent = words.state[dot.dataset.state];
	}, signal);
	return dot;
}

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
		/** Shows what is wrong, a text or nodes, if anything. */
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
	// Tabs and line ends are taken.
	if (/(?![\t\n\r])\p{Cc}/u.test(text)) return words.forms.controlCharacters;
	const length = [...text].length;
	return length > 300 ? words.forms.long(length, 300) : null;
}

/** `mayClose` is asked when somebody leaves by Escape or the button. */
export function openDialog(title, { kind = "form", signal, mayClose = () => true, closed }, ...children) {
	const id = uniqueID();
	let isOpen = true;
	const close = () => {
		if (!isOpen) return;
		isOpen = false;
		element.close();
		element.remove();
		closed?.();
	};
	const leave = async (event) => {
		event.preventDefault();
		if (await mayClose()) close();
	};
	// A second Escape closes a dialog whatever `cancel` is told, for phones.
	const keydown = (event) => { if (event.key === "Escape") leave(event); };
	// Choosing a file can be cancelled, too.
	const cancel = (event) => { if (event.target === element) leave(event); };
	const element = h(`dialog.${kind}`, { "aria-labelledby": id, close, keydown, cancel },
		h("header.dialog-head", null, h("h2", { id }, title), button(words.app.close, leave, { kind: "quiet", icon: "close" })),
		h("p.offscreen.announcements", { role: "status" }), children);
	signal?.addEventListener("abort", close, { once: true });
	document.body.append(element);
	element.showModal();
	return { close };
}

/** The safe answer has the focus. */
export const ask = ({ title, text, yes, no = words.app.cancel }, signal) => new Promise((resolve) => {
	const refuse = button(no, () => dialog.close());
	const agree = button(yes, () => { resolve(true); dialog.close(); }, { kind: "danger" });
	const dialog = openDialog(title, { kind: "question", signal, closed: () => resolve(false) },
		h("p", null, text), h("div.actions", null, refuse, agree));
	refuse.focus();
});

const toastsMax = 3;

/** Says what was done, with a way back for a while. */
export function toast(text, action) {
	const shelf = document.getElementById("toasts");
	let before = null;
	let secondsLeft = 20;
	const timer = setInterval(() => {
		if (!element.matches(":hover, :focus-within") && !(secondsLeft -= 1)) leave();
	}, 1000);
	const leave = () => {
		clearInterval(timer);
		if (element.contains(document.activeElement)) (before?.isConnected ? before : document.querySelector("h1")).focus({ preventScroll: true });
		element.remove();
	};
	const element = h("div.toast", { focusin({ relatedTarget }) { if (!element.contains(relatedTarget)) before = relatedTarget; } },
		h("p", null, text), action && button(action.label, () => { leave(); action.run(); }, { icon: "undo" }),
		h("button.quiet", { type: "button", "aria-label": words.app.close, click: leave }, icon("close")));
	if (shelf.childElementCount >= toastsMax) shelf.firstElementChild.remove();
	shelf.append(element);
	announce(text);
}

/** A screen that is one list, each row with the id of what it shows. `read(isOn)` gives the first rows or further ones, and whether more follow. */
export function sheet(name, list, read, signal, { head, blanks, foot, empty } = {}) {
	const text = words[name];
	const notes = h("div.waiting", { role: "status" }, showSlowly(h("div", null, h("p.quiet", null, words.app.loading), blanks)));
	const more = button(words.app.more, () => during(more, words.app.loading, () => load(true)));
	const element = h("div.page", null, head ?? pageHead(words.app.places[name], text.lead), notes, list, h("div.more", null, foot, more));
	const find = (id) => list.querySelector(`[data-id="${id}"]`);
	const load = async (isOn) => {
		if (isOn || list.hidden) list.ariaBusy = "true";
		try {
			const [rows, hasMore] = await read(isOn);
			more.hidden = !hasMore;
			screen.show([...(isOn ? list.children : []), ...rows]);
		} catch (problem) {
			if (isAborted(problem)) return;
			renew(notes, [problem, isOn], () => {
				list[isOn ? "after" : "before"](notes);
				return problemNote(problem, button(words.app.tryAgain, () => load(isOn)));
			});
		}
		list.ariaBusy = null;
	};
	const screen = {
		title: words.app.places[name], element, notes, find, refresh: () => load(),
		/** The focus stays, or goes to what comes next. */
		show(rows, news) {
			for (const row of [...list.children].filter((shown) => !rows.includes(shown))) {
				if (row.contains(document.activeElement)) (row.nextSibling ?? row.previousSibling ?? element).querySelector("h1, a, button").focus();
				row.remove();
			}
			// What is in its place is not moved: it would lose the focus.
			rows.forEach((row, index) => row === list.children[index] || list.insertBefore(row, list.children[index]));
			list.hidden = !rows.length;
			const said = [news, list.hidden && more.hidden && (empty?.() ?? emptyNote(text.empty, text.emptyMore))];
			notes.className = "";
			renew(notes, said.map((note) => note && note.textContent), () => said);
		},
		leave(id, news) {
			const left = find(id);
			// The news may come after the event that tells the same.
			if (left || news) screen.show([...list.children].filter((row) => row !== left), news);
		},
	};
	list.hidden = more.hidden = true;
	screen.ready = load();
	return screen;
}
