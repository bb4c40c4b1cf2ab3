// One persona or style, and its past.

import { call, get, mayWrite } from "../api.js";
import { announce, copyButton, h } from "../dom.js";
import { itemActions, itemState, linkTo, print, restore } from "../items.js";
import { button, facts, field, icon, instructionsTrouble, nameTrouble, normalizedName, problemNote, renew, showSlowly, task, time } from "../parts.js";
import { modes, words } from "../words.js";
import { openMend } from "./create.js";

const text = words.detail;

// Each key has a line; further lines of its value are set off by a space.
const written = (item, member) => (member !== "metadata" ? item[member] ?? ""
	: Object.entries(item.metadata).sort().map((pair) => pair.join(": ").replaceAll("\n", "\n ")).join("\n"));
const pairs = (lines) => lines.split(/\n(?! )/).filter(Boolean).map((line) => line.replaceAll("\n ", "\n").split(/: ?(.*)/s, 2));
const areWrong = (all) => new Map(all.filter(({ length }) => length > 1)).size < all.length;

const members = {
	name: { max: 25, read: normalizedName, trouble: nameTrouble },
	special_instructions: { max: 300, read: String, trouble: instructionsTrouble },
	metadata: {
		hint: [text.lines, text.lineRule],
		read: (lines) => Object.fromEntries(pairs(lines)), trouble: (lines) => areWrong(pairs(lines)) && text.lineRule,
	},
};

const settings = (item) => facts(Object.entries(text.members).map(([member, title]) => [title, written(item, member)]));
const version = (title, item) => h("div", null, h("h3", null, title), settings(item));

/** Saves what is `set`, unless others set something since `base`: then `mine` is there, too. */
async function save(path, base, set) {
	const { body: item, etag } = await get(path);
	const mine = { ...item, ...set };
	const looksLike = (other) => settings(item).isEqualNode(settings(other));
	// The answer was lost.
	if (looksLike(mine)) return { item };
	if (!looksLike(base)) return { item, mine };
	const removed = Object.fromEntries(Object.keys(item.metadata).map((key) => [key, null]));
	const changes = { ...set, metadata: { ...removed, ...mine.metadata } };
	return call("PATCH", path, { body: changes, ifMatch: etag }).then(({ body }) => ({ item: body }), (problem) => {
		if (problem.status === 412) return save(path, base, set);
		throw problem;
	});
}

/** What was typed and not saved, for whoever comes back. */
const drafts = {};

export function detailScreen(mode, { id }, signal) {
	const { one, many, collection } = modes[mode];
	const path = `v2/${collection}/${encodeURIComponent(id)}`;
	/** `gone`: "trashed", "deleted" or "lost". */
	let item, gone, problem;
	let [states, events] = [[], []];
	const mayChange = () => mayWrite() && !gone;
	const restoring = (run, name) => task(words.trash.restore, words.trash.restoring, run, signal, { icon: "undo", name });

	const parts = [];
	const part = (name, facts, build) => {
		const element = h(name);
		parts.push(() => renew(element, facts(), build));
		return element;
	};

	function draw() {
		if (signal.aborted) return;
		renew(notes, [gone, problem, !item], note);
		title.textContent = item?.name ?? text.gone[gone] ?? words.problem.load;
		document.title = `${title.textContent} · ${words.app.name}`;
		element.classList.toggle("lost", !item);
		if (!item) return;
		card.hidden = body.hidden = past.hidden = false;
		print(item, picture);
		itemState(state, item);
		if (gone) renew(actions, gone, () => null);
		else itemActions(actions, item, { signal, mend: openMend, done: (next) => take(next) });
		for (const drawPart of parts) drawPart();
	}

	function note() {
		if (!gone) return problem && problemNote(problem, button(words.app.tryAgain, refresh));
		return h("div.note.bad", { role: "alert" }, h("p", null, item ? text.gone[gone] : text.goneMore), h("div.actions", null,
			gone === "trashed" && restoring(() => restore(item, refresh)), h("a.button", { href: "#/trash" }, text.toTrash)));
	}

	function take(next, way = next ? null : "trashed") {
		// What comes late is no news.
		if (next && !(next.updated_at < item?.updated_at)) item = next;
		gone = way;
		draw();
	}

	async function attempt(action) {
		problem = null;
		await action().catch((error) => {
			if (error.status === 404 || /^INVALID_(PERSONA|STYLE)$/.test(error.code)) gone ??= "lost";
			else problem = error;
		});
		draw();
	}

	async function readPast() {
		const told = [];
		let page = {};
		do {
			({ body: page } = await get(`${path}/events`, { after: page.next_cursor, limit: 100, type: "*" }));
			told.push(...page.data);
		} while (page.has_more);
		events = told;
		if (!gone) states = (await get(`${path}/revisions`, { limit: 100 })).body.data;
	}

	const refresh = () => attempt(async () => {
		const { body: found } = await get(path, {}, signal);
		if (!item) announce(found.name);
		take(found);
		await readPast();
	});

	function revision(state, index) {
		const name = text.version(state.version);
		const goBack = async () => {
			await attempt(async () => take((await call("POST", `${path}/revisions/${state.version}/restore`)).body));
			if (problem) scrollTo(0, 0);
		};
		return h("li.print-card", null, h("p", null, h("b", null, name), " ", index ? time(state.changed_at) : text.present), settings(state),
			index > 0 && mayChange() && restoring(goBack, `${words.trash.restore} ${name}`));
	}

	/** What is set, or the form to change it. */
	function editor(member) {
		const { read, trouble } = members[member];
		const label = text.members[member];
		const place = `${path} ${member}`;
		let form = null;
		const show = (next) => { form = next; draw(); };
		const leave = () => { delete drafts[place]; show(null); };
		const open = () => {
			let { base, value } = drafts[place] ?? { base: item, value: written(item, member) };
			const input = h(member === "name" ? "input" : "textarea", { autocomplete: "off" });
			input.value = value;
			const { element, setTrouble } = field(label, input, members[member]);
			const notes = h("div");
			const check = () => setTrouble(trouble(input.value));
			const submit = task(text.save, text.saving, async () => {
				check();
				if (input.ariaInvalid) return input.focus();
				notes.replaceChildren();
				try {
					const { item: saved, mine } = await save(path, base, { [member]: read(input.value) });
					take(base = saved);
					if (!mine) {
						announce(text.saved);
						return leave();
					}
					notes.append(h("div.note.bad", { role: "alert" }, h("h2", null, text.clash),
						h("div.versions", null, version(text.theirs, saved), version(text.yours, mine))));
					submit.lastChild.textContent = text.keepMine;
					cancel.lastChild.textContent = text.takeTheirs;
				} catch (error) {
					const { message, id: other } = error.details.find((detail) => detail.field === member) ?? {};
					if (!message) return notes.append(problemNote(error));
					setTrouble([message, other && [". ", h("a", { href: linkTo({ mode, id: other }) }, text.other)]]);
					input.focus();
				}
			}, signal, { kind: "primary" });
			const cancel = button(words.app.cancel, leave);
			show(h("form", {
				input() { drafts[place] = { base, value: input.value }; check(); },
				keydown({ key, isComposing }) { if (key === "Escape" && !isComposing) leave(); },
				submit: () => submit.click(),
			}, element, notes, h("div.actions", null, submit, cancel)));
			input.focus();
		};
		return part("section.editor", () => !form && [item[member], mayChange()], () => form ?? h("div.shown", null,
			member !== "name" && [h("h2", null, label), h("p.set", null, written(item, member) || text.none)],
			mayChange() && button(text.change[member], open, { icon: "pencil" })));
	}

	const title = h("h1", { tabindex: "-1" }, "…");
	const notes = h("div.notes");
	const state = h("div.progress");
	const actions = h("div.actions");
	const picture = print({ name: "" });
	const card = showSlowly(h("div.print-card", null, picture, part("div.film", () => item.reference, () => [0, 1, 2].map((index) =>
		h("span.frame", null, item.reference && h("img", { src: item.reference[index], alt: words.create.photograph(index + 1) }))))));
	const body = h("div.body", { hidden: true }, state, actions, editor("special_instructions"), editor("metadata"), h("div.facts", null,
		facts([[text.id, id], [text.link, location.href]].map(([name, value]) => [name, [h("code", null, value), copyButton(() => value, name)]]))));
	const past = h("div.past", { hidden: true },
		h("section", null, h("h2", null, text.history), part("ol.revisions", () => [states, mayChange()], () => states.map(revision))),
		h("section", null, h("h2", null, text.timeline), part("ol.timeline", () => events.length, () => events.map((event) =>
			h("li", null, time(event.timestamp), " ", text.happened(event))))));
	const element = h("div.page.detail", { "data-mode": mode }, h("a.back", { href: `#/${collection}` }, icon("back"), many), notes,
		h("div.spread", null, h("header.head", null, title, editor("name")), card, body), past);
	return {
		title: one, element, ready: refresh(), refresh,
		onEvent({ type, data }) {
			if (data.id !== id) return;
			if (!item) return refresh();
			const [, kind] = type.split(".");
			if (kind in text.gone) take(null, kind);
			else take(data);
			if (kind !== "progress") attempt(readPast);
		},
	};
}
