// The trash.

import { call, get, remove } from "../api.js";
import { h } from "../dom.js";
import { linkTo, print } from "../items.js";
import { ask, daysUntil, field, problemNote, sheet, task } from "../parts.js";
import { words } from "../words.js";

const text = words.trash;

export function trashScreen(place, signal) {
	let cursor;
	const screen = sheet("trash", h("ul.sheet"), async (isOn) => {
		const { body } = await get("v2/trash", { limit: 100, cursor: isOn && cursor }, signal);
		cursor = body.next_cursor;
		return [body.data.map((item) => screen.find(item.id) ?? trashRow(item, screen.leave, signal)), cursor];
	}, signal);
	screen.onEvent = ({ type, data }) => {
		// An event does not say until when the item is kept.
		if (type.endsWith(".trashed")) screen.refresh();
		if (/restored|deleted/.test(type)) screen.leave(data.id);
	};
	return screen;
}

function trashRow(item, leave, signal) {
	const { id, name, mode } = item;
	// Where another has the name, or the own id, by now.
	const anew = h("form.below", { submit: () => restore.click() });
	const restore = task(text.restore, text.restoring, async () => {
		const given = Object.fromEntries([...new FormData(anew)].map(([member, value]) => [member, value || null]));
		try {
			const { body } = await call("POST", `v2/trash/${id}/restore`, { body: given });
			leave(id, h("p.note.good", null, words.items.restored(body.name)));
		} catch (problem) {
			const { field: member, message, id: other } = problem.details.find((detail) => text.anew[detail.field]) ?? {};
			if (!member) return anew.replaceChildren(problemNote(problem));
			const { input, element, setTrouble } = field(text.anew[member], h("input", { name: member, value: given[member] ?? item[member] }));
			setTrouble([message, ". ", other && h("a", { href: linkTo({ mode, id: other }) }, text.other)]);
			anew.elements[member]?.closest(".field").remove();
			anew.append(element);
			input.focus();
		}
	}, signal, { icon: "undo", name: `${text.restore} ${name}` });
	const purge = task(text.purge, text.purging, async () => {
		if (!(await ask(text.forEver(name, mode)))) return;
		await remove(`v2/trash/${id}`).then(() => leave(id), (problem) => anew.replaceChildren(problemNote(problem)));
	}, signal, { kind: "danger", name: `${text.purge}: ${name}` });
	return h("li", { "data-id": id, "data-mode": mode }, print(item),
		h("div.what", null, h("h2", null, name), h("p.quiet", null, text.kept(mode, daysUntil(item.purge_at)))),
		h("div.actions", null, restore, purge), anew);
}
