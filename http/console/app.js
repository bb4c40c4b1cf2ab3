// The page as a whole: its screens, and what concerns all of them.

import { change, get, onAccessRefused, state, watch, whyNoWrites } from "./api.js";
import { h } from "./dom.js";
import { announceProgress } from "./items.js";
import { button, connectionDot, during, field, pageHead, problemNote, requestNote, showSlowly } from "./parts.js";
import { key, setKey } from "./session.js";
import { follow } from "./stream.js";
import { words } from "./words.js";
import { accountScreen } from "./views/account.js";
import { activityScreen } from "./views/activity.js";
import { balanceLink, creditsScreen, readCreditsSoon } from "./views/credits.js";
import { detailScreen } from "./views/detail.js";
import { listScreen } from "./views/list.js";
import { trashScreen } from "./views/trash.js";
import { webhooksScreen } from "./views/webhooks.js";

const itemsScreen = (mode) => (place, signal) => (place.id && place.id !== "new" ? detailScreen : listScreen)(mode, place, signal);

/**
 * Each is given a place and a signal that ends with it. It has a `title`, an `element` with one h1, and perhaps `ready`, until something is shown;
 * `onEvent(event)`; `refresh()`, which reads anew; and `moveTo(place)`, which goes to another address by itself if it can.
 */
const screens = {
	__proto__: null,
	personas: itemsScreen("persona"), styles: itemsScreen("style"),
	trash: trashScreen, activity: activityScreen, webhooks: webhooksScreen, account: accountScreen,
	credits: (...given) => (state.me.credits ? creditsScreen : nothingHere)(...given),
};

const [main, places, who, banners, news] = ["main", "places", "who", "banners", "news"].map((id) => document.getElementById(id));
/** The screen, and what ends it. */
let shown = null;
/** What ends with the key. */
let session = null;
/** Where somebody wanted to go who has to sign in first. */
let wanted = location.hash;

function placeOf(hash) {
	const [path, query] = hash.replace(/^#\/?/, "").split("?");
	const [name, id] = path.split("/");
	return { name: name || "personas", id, query: new URLSearchParams(query) };
}

function show(screen, ending = new AbortController()) {
	const before = shown;
	before?.ending.abort();
	shown = { screen, ending };
	main.replaceChildren(screen.element);
	document.title = `${screen.title} · ${words.app.name}`;
	if (before) {
		scrollTo(0, 0);
		(main.querySelector("[autofocus]") ?? main.querySelector("h1")).focus({ preventScroll: true });
	}
	// Tests wait for this.
	Promise.resolve(screen.ready).finally(() => { document.body.dataset.ready = ""; });
}

function navigate() {
	const place = placeOf(location.hash);
	for (const link of document.querySelectorAll("header a")) link.ariaCurrent = link.hash === `#/${place.name}` ? "page" : null;
	if (!session) {
		if (place.name !== "key") wanted = location.hash;
		if (!shown) openDoor();
		return;
	}
	if (news.querySelector("a")?.hash.startsWith(`#/${place.name}`)) news.replaceChildren();
	if (place.name === "key") return location.replace("#/personas");
	if (shown?.screen.moveTo?.(place)) return;
	const ending = new AbortController();
	show((screens[place.name] ?? nothingHere)(place, ending.signal), ending);
}

const nothingHere = () => ({
	title: words.app.nothingHere,
	element: h("div.page", null, pageHead(words.app.nothingHere, words.app.nothingHereMore, h("a.button", { href: "#/personas" }, words.app.toPersonas))),
});

const door = (title, lead, ...children) => ({ title, element: h("div.page.door", null, pageHead(title, lead), children) });

/** `trouble` is what was wrong with the key before. */
function keyScreen(trouble) {
	const input = h("input", { type: "password", placeholder: "pkz_…", autocomplete: "current-password", autofocus: true });
	const { element, setTrouble } = field(words.key.label, input);
	const keep = h("input", { type: "checkbox" });
	const open = h("button.primary", null, h("span", null, words.key.title));
	const notes = h("div");
	const send = async () => {
		const secret = input.value.trim();
		const problem = /^pkz_[!-~]+$/.test(secret) ? await enter(secret, keep.checked).catch((error) => error) : { code: "INVALID_API_KEY_FORMAT" };
		const why = words.key.refused[problem?.code];
		setTrouble(why);
		notes.replaceChildren(problem && !why ? problemNote(problem) : "");
		if (why) input.focus();
	};
	setTrouble(trouble);
	return door(words.key.title, words.key.lead,
		h("form.print-card", { submit: () => during(open, words.key.checking, send) },
			h("input.offscreen", { value: "API key", autocomplete: "username", tabindex: "-1", "aria-hidden": "true", readonly: true }),
			element, h("label.check", null, keep, words.key.keep), open, notes),
		h("p.quiet", null, words.key.where, h("code", null, "personas keys create --account NAME"), words.key.goes));
}

/** Asks for a key; or says what keeps its account out whatever the key. */
function openDoor(problem = {}, trouble = words.key.refused[problem.code]) {
	places.hidden = true;
	const barred = words.key.barred[problem.code];
	show(barred ? door(...barred, requestNote(problem), button(words.key.otherKey, () => openDoor())) : keyScreen(trouble));
	history.replaceState(null, "", "#/key");
}

async function enter(secret, isToBeKept) {
	setKey(secret, isToBeKept);
	try {
		change({ me: (await get("v2/me")).body });
	} catch (problem) {
		// A kept key is not forgotten because the service is away.
		if (!problem.isPassing || !isToBeKept) setKey("");
		if (problem.code in words.key.barred) return openDoor(problem);
		throw problem;
	}
	session = new AbortController();
	const { signal } = session;
	drawWho(signal);
	drawBanners(signal);
	follow(state.me.account.id, { event: hear, resync: refresh }, signal);
	history.replaceState(null, "", wanted);
	places.hidden = false;
	navigate();
}

function refresh() {
	readCreditsSoon(session.signal);
	shown.screen.refresh?.();
}

const banner = (...children) => h("p.banner", { role: "status" }, children);

/** Where it leads nobody needs to be told. */
function alarm(said, href) {
	if (placeOf(href).name !== placeOf(location.hash).name) news.replaceChildren(banner(said, " ", h("a", { href }, words.app.seeWhy)));
}

function hear(event) {
	announceProgress(event);
	if (/^(credits|smart_balance)\./.test(event.type)) readCreditsSoon(session.signal);
	const { type, data: { id, url } } = event;
	if (type === "webhook.disabled") alarm(words.webhooks.banner(new URL(url).host), `#/webhooks/${id}`);
	if (type === "smart_balance.paused") alarm(words.detail.happened(event), "#/credits");
	shown?.screen.onEvent?.(event);
}

function refuse(problem) {
	if (!session) return;
	wanted = location.hash;
	session.abort(problem);
	session = null;
	setKey("");
	change({ me: null, connection: "connecting" });
	for (const element of document.querySelectorAll("dialog, .toast, :is(#who, #banners, #news) > *")) element.remove();
	openDoor(problem, words.key.refused[problem.code] ?? words.key.ended);
}

/** Nothing of one account is left to be seen by the next. */
function signOut() {
	setKey("");
	// Without an event, which would show a screen.
	history.replaceState(null, "", "#/key");
	location.reload();
}

function drawWho(signal) {
	const { account: { name }, key: { prefix } } = state.me;
	who.replaceChildren(connectionDot(signal), balanceLink(signal),
		h("a.account", { href: "#/account", "aria-label": `${words.app.places.account}: ${name}` }, h("span", null, name), h("code", null, `${prefix}…`)),
		button(words.app.signOut, signOut, { kind: "quiet" }));
}

/** Of maintenance, a lost connection, and keys that may only read. */
function drawBanners(signal) {
	let timer;
	signal.addEventListener("abort", () => clearTimeout(timer));
	watch(() => {
		clearTimeout(timer);
		const isPaused = state.maintenanceUntil !== null;
		const seconds = Math.max(1, Math.ceil((state.maintenanceUntil - Date.now()) / 1000));
		const lost = state.connection === "reconnecting" ? words.state.offlineBanner : whyNoWrites() ?? "";
		const text = isPaused ? words.state.maintenanceBanner(seconds) : lost;
		// What is said already is not said again.
		if (banners.textContent !== text) banners.replaceChildren(text && banner(text));
		if (isPaused) timer = setTimeout(() => lookAgain(signal), seconds * 1000);
	}, signal);
}

/** The answer is noted where all answers are. */
async function lookAgain(signal) {
	try {
		await get("v2/me", {}, signal);
		refresh();
	} catch (problem) {
		if (problem.status === 0) change({ connection: "reconnecting", maintenanceUntil: null });
	}
}

let retry;
async function resume() {
	clearTimeout(retry);
	try {
		await enter(key(), true);
	} catch (problem) {
		if (!key()) return openDoor(problem);
		const again = button(words.app.tryAgain, () => during(again, words.key.checking, resume));
		main.replaceChildren(door(words.app.name, "", problemNote(problem, again)).element);
		document.body.dataset.ready = "";
		retry = setTimeout(resume, (problem.retryAfterSeconds ?? 5) * 1000);
	}
}

places.append(h("ul", null, Object.keys(screens).slice(0, 5).map((name) => h("li", null, h("a", { href: `#/${name}` }, words.app.places[name])))));
document.getElementById("skip").addEventListener("click", (event) => {
	// The fragment of an address is the screen's.
	event.preventDefault();
	main.focus();
});
onAccessRefused(refuse);
addEventListener("hashchange", navigate);
// Forms send nothing.
addEventListener("submit", (event) => event.preventDefault());
if (key()) {
	main.replaceChildren(showSlowly(h("p.page", null, words.key.checking)));
	resume();
} else navigate();
