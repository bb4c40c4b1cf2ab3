// A screen that is one list, each of its rows with the id of what it shows.

import { isAborted } from "../api.js";
import { h } from "../dom.js";
import { button, during, emptyNote, pageHead, problemNote, renew, showSlowly } from "../parts.js";
import { words } from "../words.js";

const { app } = words;

/** `read(isOn)` gives the first rows or, if it goes on, further ones, and whether there are more. */
export function sheet(name, list, read, signal, { head, blanks, foot, empty } = {}) {
	const text = words[name];
	const notes = h("div.waiting", { role: "status" }, showSlowly(h("div", null, h("p.quiet", null, app.loading), blanks), signal));
	const more = button(app.more, () => during(more, app.loading, () => load(true)));
	const element = h("div.page", null, head ?? pageHead(app.places[name], text.lead), notes, list, h("div.more", null, foot, more));
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
				return problemNote(problem, button(app.tryAgain, () => load(isOn)));
			});
		}
		list.ariaBusy = null;
	};
	const screen = {
		title: app.places[name], element, notes, find, refresh: () => load(),
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
