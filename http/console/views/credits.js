// Credits: what is left, how more are bought, and each change.

import { call, change, get, may, remove, state, watch } from "../api.js";
import { h } from "../dom.js";
import { linkTo } from "../items.js";
import { facts, field, pageHead, part, problemNote, renew, sheet, task, time } from "../parts.js";
import { words } from "../words.js";

const text = words.credits;
const path = "v2/credits/smart-balance";
let [latest, timer] = [0];

/** An answer is no news once another was asked for. */
async function readCredits(signal) {
	const number = (latest += 1);
	const { body: credits } = await get("v2/credits", {}, signal);
	if (number === latest) take(credits);
}

const take = (credits) => change({ me: { ...state.me, credits } });

/** Once for many events. */
export function readCreditsSoon(signal) {
	if (state.me.credits) timer ??= setTimeout(() => {
		timer = null;
		readCredits(signal).catch(() => {});
	}, 500);
}

/** What is left, on every screen. */
export function balanceLink(signal) {
	const link = h("a.account", { href: "#/credits" });
	watch(() => {
		if (state.me?.credits) link.textContent = text.left(state.me.credits.balance);
	}, signal);
	return state.me.credits ? link : "";
}

export function creditsScreen(place, signal) {
	/** Entries told since the first page was asked for. */
	let fresh, cursor;
	const list = h("ol.sheet.events.ledger");
	// Asking for one that is gone is an error in the console.
	let items;
	const readItems = () => (items = get("v2/pikzonality", { limit: 100 }, signal).then(({ body }) => body.data, () => []));
	const row = (entry) => screen.find(entry.id) ?? entryRow(entry, items);
	const screen = sheet("credits", list, async (isOn) => {
		readItems();
		if (!isOn) fresh = [];
		const [{ body }] = await Promise.all([get("v2/credits/entries", { cursor: isOn && cursor }, signal), isOn || readCredits(signal)]);
		cursor = body.next_cursor;
		return [new Set([...(isOn ? [] : fresh), ...body.data].map(row)), cursor];
	}, signal, {
		head: [pageHead(words.app.places.credits, text.lead), h("div.parts", null, balance(signal), smartBalance(signal)), h("h2", null, text.all)],
	});
	screen.onEvent = ({ type, data }) => {
		if (!type.startsWith("credits.")) return;
		fresh.unshift(data);
		readItems();
		if (!screen.find(data.id)) screen.show([row(data), ...list.children]);
	};
	return screen;
}

function entryRow({ id, kind, amount, item_id: itemID, note, balance_after: left, at }, items) {
	const what = h("span", null, text.kinds[kind]);
	if (itemID) items.then((all) => {
		const item = all.find((one) => one.id === itemID);
		if (item) what.append(": ", h("a", { href: linkTo(item) }, item.name));
	});
	return h("li", { "data-id": id }, what, h(amount > 0 ? "b.completed" : "b", null, text.signed(amount)),
		h("span.quiet", null, time(at), note && ` · ${note}`), h("span.quiet", null, text.left(left)));
}

function balance(signal) {
	const [left, costs] = [h("p.balance", { role: "status" }), h("div")];
	watch(() => {
		if (!state.me) return;
		const { balance, prices } = state.me.credits;
		renew(left, balance, () => text.left(balance));
		renew(costs, [balance, prices], () => facts(Object.entries(prices).map(([mode, price]) => [`A ${mode}`, text.price(price, balance)])));
	}, signal);
	return part(text.balance, left, costs);
}

function smartBalance(signal) {
	const [status, actions, notes] = [h("p.status", { role: "status" }), h("div.actions"), h("div")];
	const mayPay = may("billing");
	const fields = Object.entries(text.fields).map(([name, label]) =>
		field(label, h("input", { name, inputmode: "numeric", readonly: !mayPay })));
	const act = (label, run, kind) => task(label, words.webhooks.busy, async () => {
		notes.replaceChildren();
		await run().catch((problem) => notes.append(problemNote(problem)));
	}, signal, { kind, scope: "billing" });
	const save = act(words.detail.save, async () => {
		for (const { input, setTrouble } of fields) setTrouble(!/^\s*[1-9]\d*\s*$/.test(input.value) || input.value > 1e12 ? text.rule : "");
		const wrong = form.querySelector("[aria-invalid]");
		if (wrong) return wrong.focus();
		const body = Object.fromEntries(fields.map(({ input }) => [input.name, Number(input.value)]));
		take((await call("PUT", path, { body })).body);
		form.reset();
	}, "primary");
	const resume = act(text.resume, async () => take((await call("POST", `${path}/resume`)).body));
	const turnOff = act(text.turnOff, () => remove(path).then(() => readCredits(signal)));
	save.type = "submit";
	const form = h("form", null,
		h("div.versions", null, fields.map(({ element }) => element)), mayPay ? actions : h("p.quiet", null, text.noScope), notes);
	watch(() => {
		if (!state.me) return;
		const { smart_balance: rule } = state.me.credits;
		renew(status, rule, () => text.states[rule?.status ?? "off"](rule));
		status.className = `status ${{ active: "completed", paused: "failed" }[rule?.status] ?? ""}`;
		// What is being typed stays.
		for (const { input } of fields) input.defaultValue = rule?.[input.name] ?? "";
		form.hidden = !rule && !mayPay;
		renew(actions, [rule?.status], () => [rule?.status === "paused" && resume, save, rule && turnOff]);
	}, signal);
	return part(text.smart, h("p", null, text.smartLead), status, form);
}
