// The account, its archives, and the colours of the page.

import { call, change, get, state, uniqueKey, upload, watch } from "../api.js";
import { announce, h } from "../dom.js";
import { button, choice, during, facts, field, pageHead, part, problemNote, time, writes } from "../parts.js";
import { words } from "../words.js";

const text = words.account;
const title = words.app.places.account;
/** By account: they go on while one looks at other screens. */
const archives = {};

export function accountScreen(place, signal) {
	const { account, key, limits } = state.me;
	const use = part(text.use, h("dl"));
	watch(() => { if (state.me) use.lastChild.replaceWith(facts(Object.entries(text.uses(state.me)))); }, signal);
	let timer;
	const refresh = async () => {
		timer = null;
		// Without an answer, what is shown stays.
		await get("v2/me", {}, signal).then(({ body: me }) => change({ me }), () => {});
	};
	const element = h("div.page", null, pageHead(title, account.name), h("div.parts", null,
		use, part(text.key, facts(Object.entries(text.keyOf(key, time)))), part(text.limits, facts(Object.entries(text.limitsOf(limits)))),
		part(text.theme, themes()),
		archives[account.id] ??= part(text.archive, h("p", null, text.about), exporter(), importer())));
	return { title, element, ready: refresh(), refresh, onEvent() { timer ??= setTimeout(refresh, 3000); } };
}

/** All that is in localStorage. */
function themes() {
	const { dataset } = document.documentElement;
	const change = ({ target }) => { localStorage.theme = dataset.theme = target.value; };
	return choice(text.theme, text.themes, { change }, dataset.theme);
}

/** `run` tells how many bytes are through, and gives what came of it. */
function mover([label, doing], run, dress = (start) => start) {
	const said = h("div.said");
	const start = button(label, () => during(start, doing, async () => {
		const ending = new AbortController();
		const progress = h("p");
		said.replaceChildren(progress, button(words.app.cancel, () => ending.abort(), { name: `${words.app.cancel}: ${label}` }));
		said.replaceChildren(await run(ending.signal, (bytes) => { progress.textContent = text.soFar(bytes); })
			.catch((problem) => (ending.signal.aborted ? text.cancelled : problemNote(problem))));
		announce(said.textContent);
		if (document.activeElement === document.body) start.focus();
	}));
	return h("div", null, dress(start), said);
}

const exporter = () => mover(text.export, async (signal, soFar) => {
	const blob = await call("GET", "v2/account/export", { signal, send: upload(null, soFar) });
	const link = h("a", { href: URL.createObjectURL(blob), download: `${state.me.account.name}-${new Date().toISOString().slice(0, 10)}.tar` });
	link.click();
	setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
	return h("p.note.good", null, text.exported(link.download, blob.size));
});

function importer() {
	// A second attempt goes on with the first.
	let idempotencyKey;
	const renewKey = () => { idempotencyKey = uniqueKey(); };
	const { input, element, setTrouble } = field(text.file, h("input", { type: "file", accept: ".tar", change: renewKey }));
	return mover(text.import, async (signal, soFar) => {
		const [body] = input.files;
		setTrouble(!body && text.noFile);
		if (!body) return input.focus() ?? "";
		const options = { body, headers: { "Content-Type": "application/x-tar" }, idempotencyKey, signal, send: upload(soFar, () => {}) };
		const answer = await call("POST", "v2/account/import", options);
		const lines = (await answer.text()).trim().split("\n").map((line) => JSON.parse(line));
		const { created = [], skipped = [], failed = [] } = Object.groupBy(lines, ({ status }) => status);
		const { error } = lines.at(-1);
		if (!error) renewKey();
		return h(`div.note.${error || failed.length ? "bad" : "good"}`, null, text.outcome(created.length, skipped.length, failed.length),
			failed.map((item) => h("p", null, h("b", null, item.name), ` ${item.error.message}`)), error && h("p", null, error.message, " ", text.goOn));
	}, (start) => [element, writes(start)]);
}
