// What many screens are made of.

import { announce, append, copyButton, h } from "./dom.js";
import { state, watch, whyNoWrites } from "./state.js";
import { words } from "./words.js";

export function icon(name) {
	const [svg, use] = ["svg", "use"].map((tag) => document.createElementNS("http://www.w3.org/2000/svg", tag));
	svg.setAttribute("class", `icon icon-${name}`);
	svg.ariaHidden = "true";
	use.setAttribute("href", import.meta.resolve(`./icons.svg#${name}`));
	svg.append(use);
	return svg;
}

/** A `name` tells it from others with the same words. */
export const button = (label, run, { kind, icon: image, name } = {}) =>
	h(kind ? `button.${kind}` : "button", { type: "button", "aria-label": name, click: run }, image && icon(image), h("span", null, label));

/** Makes a button rest while nothing can be changed, and say why when it is pressed. */
export function writes(element, signal) {
	element.addEventListener("click", (event) => {
		if (!element.title) return;
		event.preventDefault();
		event.stopImmediatePropagation();
		announce(element.title);
	}, true);
	watch(() => {
		element.title = whyNoWrites() ?? "";
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
	const element = writes(button(label, () => during(element, meanwhile, run), options), signal);
	return element;
}

const drawn = new WeakMap();
const nameOf = (element) => element.ariaLabel ?? element.textContent;

/** Draws anew what does not show these facts already. A focus within stays on what has the same name, or near it. */
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

export const problemNote = (problem, action) => h("div.note.bad", { role: "alert" },
	h("p", null, icon("warning"), problemWords(problem)), problem.status >= 500 && requestNote(problem), action && h("div.actions", null, action));

export const requestNote = ({ requestID }) => requestID &&
	h("p", null, words.problem.requestID, " ", h("code", null, requestID), copyButton(() => requestID, words.problem.requestID));

export const emptyNote = (title, text, action) => h("div.empty", null, h("div.film", null, [0, 1, 2].map(() => h("span.frame"))),
	h("h2", null, title), text && h("p", null, text), h("div.actions", null, action));

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
