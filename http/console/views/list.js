// The list of all personas, or of all styles.

import { get, mayWrite } from "../api.js";
import { announce, h } from "../dom.js";
import { itemActions, itemState, linkTo, print } from "../items.js";
import { button, choice, emptyNote, pageHead, sheet, time, writes } from "../parts.js";
import { modes, words } from "../words.js";
import { openCreate, openMend } from "./create.js";

const pageItems = 20;
const text = words.list;

export function listScreen(mode, place, signal) {
	const { collection, many, photographs, add } = modes[mode];
	const address = `#/${collection}`;
	let query, cursor, wanted, reading, creating, timer;
	const open = () => { location.hash = `${address}/new`; };
	const addButton = () => mayWrite() && writes(button(add, open, { kind: "primary", icon: "plus" }), signal);
	const filters = h("form.filters", { role: "search", input: ({ target }) => go(target.name) },
		h("input", { type: "search", name: "q", placeholder: text.q, "aria-label": text.q, maxlength: 25, autocomplete: "off" }),
		choice(text.status, text.statuses, { name: "status" }), choice(text.sort, text.sorts, { name: "sort" }));
	const adder = h("div", null, addButton());
	const list = h("ul.cards");
	const count = h("p.quiet");
	filter(place.query);
	const screen = sheet(collection, list, read, signal, {
		head: [pageHead(many, photographs, adder), filters], foot: count, blanks: h("div.cards", null, [1, 2, 3, 4].map(() => h("div.print"))),
		empty: () => (query.size ? emptyNote(text.nothing(query.get("q"), text.statuses[query.get("status")]), null,
			h("a.button", { href: address }, text.clear)) : emptyNote(...text.empty(mode), addButton())),
	});
	const { find, show, leave, refresh } = screen;

	function go(changed) {
		const asked = new URLSearchParams([...new FormData(filters)].filter(([, value]) => value.trim()));
		const hash = asked.size ? `${address}?${asked}` : address;
		// What is typed is one step for the browser's Back.
		if (changed === "q" && query.has("q")) location.replace(hash);
		else location.hash = hash;
	}

	function filter(asked) {
		query = asked;
		for (const field of filters) field.value = query.get(field.name) ?? "";
	}

	/** Reads no longer what was asked for before. */
	async function read(isOn) {
		reading?.abort();
		const ending = reading = new AbortController();
		// Where all is shown, there may be more by now.
		const number = list.ariaBusy ? pageItems : Math.max(pageItems, list.childElementCount + (cursor ? 0 : pageItems));
		const items = [];
		let next = isOn && cursor;
		try {
			do {
				const asked = { ...Object.fromEntries(query), limit: Math.min(100, number - items.length), cursor: next };
				const { body } = await get(`v2/${collection}`, asked, AbortSignal.any([signal, ending.signal]));
				items.push(...body.data);
				next = body.next_cursor;
			} while (next && items.length < number);
		} finally {
			if (reading === ending) reading = null;
		}
		cursor = next;
		if (isOn) wanted = items[0]?.id;
		return [items.map(card), cursor];
	}

	screen.show = (cards) => {
		adder.hidden = filters.hidden = !cards.length && !cursor && !query.size;
		show(cards);
		count.textContent = cards.length ? text.shown(list.childElementCount, !cursor) : "";
		if (list.ariaBusy) announce(count.textContent);
		const found = find(wanted);
		if (!found) return;
		wanted = null;
		found.querySelector("a").focus();
	};

	function card(item) {
		const element = find(item.id) ?? h("li.card", { "data-id": item.id },
			h("p.edge", null, time(item.created_at)), print(item), h("h2", null, h("a", { href: linkTo(item) })), h("div.state"), h("div.actions"));
		// A late answer is no news.
		if (item.updated_at < element.dataset.updated) return element;
		const [, picture, title, state, actions] = element.children;
		Object.assign(element.dataset, { updated: item.updated_at, status: item.status, place: item.created_at + item.id });
		title.firstChild.textContent = item.name;
		print(item, picture);
		itemState(state, item);
		itemActions(actions, item, { signal, mend: openMend, done: (became, isWanted) => become(item.id, became, isWanted) });
		return element;
	}

	/** Whether the place of a card is known: all was read, and the newest come first. */
	const isPlain = () => !query.size && !reading && !screen.notes.hasChildNodes();

	/** Seldom, and not before what is being read is there. */
	function refreshLater() {
		timer ??= setTimeout(() => {
			timer = null;
			if (reading) refreshLater();
			else refresh();
		}, 2000);
	}

	/** Shows what an item became, nothing in the trash. What is wanted takes the focus. */
	function become(id, item, isWanted) {
		const isKnown = find(id);
		if (isWanted) wanted = id;
		if (!item) return leave(id);
		if (!isKnown && !isPlain()) return refresh();
		const added = card(item);
		if (isKnown && !isWanted) return;
		const cards = [...list.children];
		const next = cards.findIndex(({ dataset }) => dataset.place < added.dataset.place);
		// What is older than all that are shown comes later.
		if (next >= 0 && !isKnown) cards.splice(next, 0, added);
		else if (!isKnown && (!cursor || wanted === id)) cards.push(added);
		screen.show(cards);
	}

	/** Once it is closed, the address is the list's again. */
	function create(back) {
		if (!mayWrite()) return back();
		creating = new AbortController();
		const closed = (item) => {
			back();
			if (item) become(item.id, item, true);
		};
		openCreate(mode, { signal: AbortSignal.any([signal, creating.signal]), closed });
	}

	screen.moveTo = ({ name, id, query: asked }) => {
		if (name !== collection || (id && id !== "new")) return false;
		creating?.abort();
		if (id) create(() => history.back());
		else if (String(asked) !== String(query)) {
			wanted = null;
			list.ariaBusy = "true";
			filter(asked);
			refresh();
		}
		return true;
	};

	screen.onEvent = ({ type, data }) => {
		if (!type.startsWith(`${mode}.`)) return;
		const isGone = /trashed|deleted/.test(type);
		const wasPlain = isPlain();
		if (isGone || find(data.id) || (wasPlain && /created|restored/.test(type))) become(data.id, !isGone && data);
		if (type.endsWith(".progress")) return;
		if (!wasPlain || (isGone ? cursor : !cursor && !find(data.id))) refreshLater();
	};

	screen.element.dataset.mode = mode;
	if (place.id) queueMicrotask(() => create(() => location.replace(address)));
	return screen;
}
