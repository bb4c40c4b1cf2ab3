// Programs that are told what happens: all, and one with its log.

import { call, get, mayWrite, remove, state } from "../api.js";
import { copyButton, h } from "../dom.js";
import { ask, button, choice, during, emptyNote, field, icon, openDialog, pageHead, problemNote, renew, showSlowly, task, time } from "../parts.js";
import { words } from "../words.js";

const { app, webhooks: text } = words;
const title = app.places.webhooks;
const hostOf = ({ url }) => new URL(url).host;

export function webhooksScreen(place, signal) {
	if (place.id) return webhookScreen(`v2/webhooks/${encodeURIComponent(place.id)}`, signal);
	const list = h("div");
	const open = () => openForm("v2/webhooks", { body: { events: ["*"] } },
		({ id, secret }) => showSecret(secret, () => { location.hash = `#/webhooks/${id}`; }), signal);
	const add = mayWrite() && task(text.add, text.busy, open, signal, { kind: "primary", icon: "plus" });
	const row = (hook) => h("li.hook", null, h("h2", null, h("a", { href: `#/webhooks/${hook.id}` }, hostOf(hook))), standing(hook));
	return screenOf(pageHead(title, text.lead, add), list, async () => {
		const { body: { data } } = await get("v2/webhooks", {}, signal);
		renew(list, data, () => (data.length ? h("ul.all", null, data.map(row)) : emptyNote(text.empty)));
		return data.some(({ pending }) => pending);
	}, signal);
}

/** A secret of null got lost on the way. */
function showSecret(secret, closed) {
	const close = button(app.close, () => dialog.close(), { kind: "primary" });
	const dialog = openDialog(text.secretTitle, { kind: "question", mayClose: () => !secret || close.focus(), closed },
		h("p", null, secret ? text.secret : text.secretLost),
		secret && h("p.secret", null, h("code", null, secret), copyButton(() => secret, text.secretTitle)), h("div.actions", null, close));
}

const types = () => ["*", ..."* created completed failed retried updated trashed restored deleted progress".split(" ")
	.flatMap((verb) => [`persona.${verb}`, `style.${verb}`]), "webhook.disabled",
	...(state.me.credits ? [..."granted charged refunded topped_up revoked".split(" ").map((verb) => `credits.${verb}`), "smart_balance.paused"] : [])];

/** A new one has no etag. If others changed it, the problem has it as it is `now`. */
async function save(path, read, body) {
	try {
		return await call(read.etag ? "PATCH" : "POST", path, { body, ifMatch: read.etag });
	} catch (problem) {
		if (problem.status !== 412) throw problem;
		const now = await get(path);
		// The answer was lost.
		if (Object.keys(body).every((member) => String(body[member]) === String(now.body[member] ?? ""))) return now;
		// Only its deliveries went on.
		if (now.body.updated_at === read.body.updated_at) return save(path, now, body);
		throw Object.assign(problem, { message: text.clash, now });
	}
}

function openForm(path, read, done, signal) {
	const url = field(text.address, h("input", { name: "url", type: "url", autofocus: true }), { hint: text.addressHint });
	const note = field(text.note, h("input", { name: "description" }));
	const [everything, ...others] = [...new Set([...types(), ...read.body.events])].map((type) =>
		h("label.check", null, h("input", { type: "checkbox", name: "events", value: type }), text.event(type)));
	const rest = h("fieldset.choices", null, others);
	const notes = h("div");
	const sift = () => { rest.hidden = rest.disabled = everything.firstChild.checked; };
	const inputs = () => [...form.querySelectorAll("input")];
	/** What was edited already stays. */
	const fill = (hook) => {
		for (const input of inputs()) {
			if (input.name === "events") input.defaultChecked = hook.events.includes(input.value);
			else input.defaultValue = hook[input.name] ?? "";
		}
		sift();
	};
	const edited = () => Object.fromEntries(inputs().filter((input) => input.value !== input.defaultValue || input.checked !== input.defaultChecked)
		.map(({ name, value }) => [name, name === "events" ? new FormData(form).getAll(name) : value]));
	const submit = task(words.detail.save, text.busy, async () => {
		try {
			const { body } = await save(path, read, { ...(read.etag ? null : read.body), ...edited() });
			dialog.close();
			done(body);
		} catch (problem) {
			const trouble = problem.details.find((detail) => detail.field === "url")?.message.replace("url", "It");
			url.setTrouble(trouble);
			if (trouble) url.input.focus();
			notes.replaceChildren(trouble ? "" : problemNote(problem));
			if (problem.now) fill((read = problem.now).body);
		}
	}, signal, { kind: "primary" });
	submit.type = "submit";
	const form = h("form", { novalidate: true, change: sift }, url.element,
		h("fieldset", null, h("legend", null, text.which), everything, rest), note.element, notes, h("div.actions", null, submit));
	fill(read.body);
	const dialog = openDialog(read.etag ? text.change : text.add, { signal }, form);
}

const outcome = ({ http_status: status, error, response_body: said }) =>
	[status ? text.answered(status) : text.errors[error] ?? error, said && h("pre", null, said)];

function standing(hook) {
	const last = hook.last_delivery;
	const state = hook.disabled_reason ?? (hook.failing_since ? "unheard" : "on");
	return [
		h("code", null, hook.url),
		h(`p.status.${state === "on" ? "completed" : "failed"}`, null, text.states[state] ?? state),
		h("p", null, hook.description),
		h("p.quiet", null, text.tells, hook.events.map(text.event).join(", ")),
		h("p.quiet", null, last?.at && [text.last, outcome(last), ", ", time(last.at), " · "], text.counts(hook)),
	];
}

function webhookScreen(path, signal) {
	const [host, section, notes, log] = [h("span", null, title), h("section.hook"), h("div", { role: "status" }), h("ul.all")];
	const refresh = () => screen.refresh();
	const act = (label, run, options) => task(label, text.busy, async () => {
		notes.replaceChildren(await run().catch(problemNote) ?? "");
		notes.querySelector(".bad")?.scrollIntoView({ block: "nearest" });
	}, signal, options);
	const send = (label, run, options) => act(label, () => run().then(() => text.done).finally(refresh), options);
	const post = async (deed, body) => (await call("POST", `${path}/${deed}`, { body })).body;
	const actions = (hook, status = hook.disabled_reason ? "enabled" : "disabled") => h("div.actions", null,
		act(text.test, async () => h("div.note", null, outcome(await post("test"))), { kind: "primary" }),
		act(text.change, async () => openForm(path, read, refresh, signal)),
		send(text.turn[status], () => call("PATCH", path, { body: { status } })),
		hook.missing > 0 && send(text.sendMissed, () => post("replay", { since: hook.created_at, status: "missing" })),
		act(text.rotate, async () => {
			if (await ask(text.rotation)) showSecret((await post("rotate")).secret, refresh);
		}),
		act(text.remove, async () => {
			if (!(await ask(text.forEver(host.textContent)))) return;
			await remove(path);
			location.hash = "#/webhooks";
		}, { kind: "danger" }));
	const row = ({ id, status, event_type: type, last_attempt: last, created_at: created }) => {
		const [event, when] = [text.event(type), time(created)];
		return h(`li.note.${{ succeeded: "good", failed: "bad" }[status] ?? status}`, null,
			h("p", null, h("strong", null, event), h("span", null, text.statuses[status]), when, mayWrite() &&
				send(text.sendAgain, () => post(`deliveries/${id}/replay`), { name: `${text.sendAgain}: ${event}, ${when.title}` })),
			last && outcome(last));
	};
	let read, wanted = 1;
	const more = button(app.more, () => during(more, app.loading, async () => {
		wanted = log.children.length + 1;
		await refresh();
		if (more.hidden) status.focus();
	}));
	const status = choice(text.log, text.statuses, { change() { wanted = 1; refresh(); } });
	const deliveries = async (cursor, known = []) => {
		const { body } = await get(`${path}/deliveries`, { status: status.value, cursor }, signal);
		const all = [...known, ...body.data];
		more.hidden = !body.next_cursor;
		return more.hidden || all.length >= wanted ? all : deliveries(body.next_cursor, all);
	};
	const body = h("div", null, section, h("section.log", null, h("header.page-head", null, h("h2", null, text.log), status), log, more));
	const screen = screenOf([h("a.back", { href: "#/webhooks" }, icon("back"), title), pageHead(host)], body, async () => {
		read = await get(path, {}, signal);
		const hook = read.body;
		const all = await deliveries();
		host.textContent = hostOf(hook);
		document.title = `${host.textContent} · ${app.name}`;
		renew(section, hook, () => [standing(hook), mayWrite() && actions(hook), notes]);
		renew(log, all, () => (all.length ? all.map(row) : h("li.quiet", null, text.nothing)));
		return hook.pending;
	}, signal);
	return screen;
}

/** Reads anew after events, and while `read` says that more is to come. */
function screenOf(head, body, read, signal) {
	const notes = h("div", null, showSlowly(h("p.hook", null, app.loading)));
	let timer;
	const soon = () => { timer ??= setTimeout(refresh, 3000); };
	const refresh = async () => {
		timer = clearTimeout(timer);
		try {
			if (await read()) soon();
			body.hidden = false;
			renew(notes, null, () => null);
		} catch (problem) {
			renew(notes, problem, () => problemNote(problem, button(app.tryAgain, refresh)));
		}
	};
	body.hidden = true;
	return { title, element: h("div.page", null, head, notes, body), ready: refresh(), refresh, onEvent: soon };
}
