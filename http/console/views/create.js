// The dialog that makes a persona or style, or mends one.

import { call, get, isAborted, pause, state, uniqueKey, upload, watch, whyNoWrites } from "../api.js";
import { announce, h } from "../dom.js";
import { keepPreview, linkTo, pathOf } from "../items.js";
import { ask, button, field, instructionsTrouble, nameTrouble, normalizedName, openDialog, problemNote, summary, toast, writes } from "../parts.js";
import { filmFor } from "../photographs.js";
import { modes, words } from "../words.js";

const text = words.create;
const rules = { name: nameTrouble, special_instructions: instructionsTrouble };

/** Whoever comes back finds what was entered. */
const forms = {};

/** `closed` is told what was made, if anything. */
export const openCreate = (mode, options) => openForm(options, `v2/${modes[mode].collection}`, mode);
export const openMend = (item, options) => openForm(options, `${pathOf(item)}/retry`, item.mode, item.name);

function openForm(options, path, mode, mended) {
	const id = `${state.me.account.id} ${path}`;
	(forms[id] ??= formFor(id, path, mode, mended))(options);
}

/** Gives what opens the form. */
function formFor(id, path, mode, mended) {
	const [title, action, news] = mended
		? [text.mend(mended), words.app.tryAgain, text.triedAgain] : [modes[mode].add, text.create, text.made];
	let key, isDirty, made, dialog, sending;
	const fields = {};
	const entry = (tag, name, options) =>
		(fields[name] = field(text[name], h(tag, { name, autocomplete: "off", input: () => check(name) }), options)).element;
	const film = filmFor(mode, change);
	const [line, reason, notes, errors] = [h("p"), h("p"), h("div", { role: "status" }), summary()];
	const stop = button(words.app.cancel, () => sending.abort());
	const underWay = h("div.under-way", { hidden: true }, line, stop);
	const start = h("button.primary", null, action);
	const body = h("div.sheet-body", null, errors.element, notes,
		mended ? h("p", null, text.replaces) : entry("input", "name", { hint: text.nameHint, max: 25 }), film.element,
		!mended && entry("textarea", "special_instructions", { max: 300, optional: true }));
	const form = h("form.sheet-form", { "data-mode": mode, novalidate: true, input: change, submit },
		body, h("footer.sheet-foot", null, underWay, reason, start));

	function change() {
		[key, isDirty] = [null, true];
		errors.show([]);
	}

	function receive(event) {
		const { types, files } = event.dataTransfer ?? event.clipboardData;
		if (!types.includes("Files")) return;
		event.preventDefault();
		const isAbove = event.type === "dragover";
		form.toggleAttribute("data-dropping", isAbove);
		if (!isAbove && !body.inert) film.add(files);
	}

	async function itemNamed(entered) {
		const name = normalizedName(entered).toLowerCase();
		const { body: { data } } = await get(`v2/${modes[mode].collection}`, { q: name, limit: 100 });
		return data.find((item) => item.name.toLowerCase() === name);
	}

	async function check(field) {
		const { input, setTrouble } = fields[field];
		const { value } = input;
		const trouble = value && rules[field](value);
		const isOld = () => input.value !== value || !input.isConnected || body.inert;
		setTrouble(trouble);
		await pause(0.4);
		if (field !== "name" || trouble !== null || isOld()) return;
		// It is told when it is sent.
		const item = await itemNamed(value).catch(() => null);
		if (item && !isOld()) announce(place({ ...item, field }).text);
	}

	async function submit() {
		if (start.textContent !== action) return;
		notes.replaceChildren();
		errors.show([]);
		sending = new AbortController();
		setBusy(true);
		await film.settled();
		const texts = Object.fromEntries(new FormData(form));
		const details = [...Object.entries(texts).map(([field, value]) => ({ field, message: rules[field](value) })),
			...film.places.map(({ missing }) => missing())].filter(({ message }) => message);
		const problem = details.length ? { details } : await send(texts, sending.signal).catch((error) => error);
		setBusy(false);
		if (form.isConnected) {
			if (made) dialog.close();
			else if (problem) explain(problem);
			return;
		}
		// Leaving stops it.
		if (!problem) toast(made ? `${made.name} ${news}` : `${title}: ${text.stopped}`);
	}

	function setBusy(isBusy) {
		[body.inert, underWay.hidden, start.hidden] = [isBusy, !isBusy, isBusy];
		(isBusy ? stop : start).focus();
		body.scrollTop = 0;
		say(isBusy ? text.preparing : "");
	}

	function say(what) {
		line.textContent = what;
		announce(what);
	}

	async function send(texts, signal) {
		const content = film.body(texts);
		try {
			if (!mended && !key) await call("POST", path, { query: { validate_only: true }, body: texts, signal });
			key ??= uniqueKey();
			made = (await call("POST", path, {
				signal, body: content, idempotencyKey: key, repeating: () => say(text.again),
				send: upload((sent, all) => { line.textContent = text.uploading(sent, all); }),
			})).body;
		} catch (problem) {
			if (!isAborted(problem)) throw problem;
			say(text.cancelling);
			await pause(1);
			const item = key && (await itemNamed(mended ?? texts.name));
			if (item && item.status !== "failed") made = item;
			else notes.append(h("p.note", null, text.stopped));
		}
		if (made && isDirty) delete forms[id];
		if (made && content instanceof FormData) keepPreview(made.id, content.get("image"));
	}

	function explain(problem) {
		if (!problem.isPassing) key = null;
		const troubles = (problem.details ?? []).map(place).filter(Boolean);
		errors.show(troubles);
		if (!troubles.length) notes.append(problemNote(problem));
		if (problem.status === 429) countDown(problem.retryAfterSeconds ?? 1);
	}

	/** `id`: of the item that has the name. */
	function place({ field, index, message = "", id }) {
		const sentence = message.replace(/^[a-z_\d[\]]+ /, "It ");
		if (!fields[field]) return film.places[index]?.refuse(sentence);
		const { element, input, setTrouble } = fields[field];
		setTrouble(id ? [text.taken, h("a", { href: linkTo({ id, mode }) }, words.detail.other)] : sentence);
		return { input, text: element.querySelector(".trouble").textContent };
	}

	function countDown(seconds) {
		start.textContent = seconds ? text.wait(action, seconds) : action;
		if (seconds) setTimeout(countDown, 1000, seconds - 1);
	}

	return ({ signal, closed }) => {
		const life = new AbortController();
		writes(start, life.signal);
		notes.replaceChildren();
		watch(() => {
			const { prices, balance } = state.me?.credits ?? {};
			reason.textContent = whyNoWrites() ?? (prices?.[mode] ? words.credits.cost(prices[mode], balance) : "");
			reason.hidden = !reason.textContent;
		}, life.signal);
		dialog = openDialog(title, {
			kind: "sheet", signal,
			async mayClose() {
				isDirty &&= !(await ask(text.discard, life.signal));
				return !isDirty;
			},
			closed() {
				life.abort();
				sending?.abort();
				if (!isDirty) delete forms[id];
				if (!signal.aborted) closed(made);
				if (made) announce(`${made.name} ${news}`);
			},
		}, form);
		body.querySelector("input").focus();
		addEventListener("beforeunload", (event) => { if (isDirty) event.preventDefault(); }, life);
		for (const type of ["dragover", "dragleave", "drop", "paste"]) document.addEventListener(type, receive, life);
	};
}
