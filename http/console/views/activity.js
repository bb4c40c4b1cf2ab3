// What happened. The oldest are told first: events are read in windows, from the latest back.

import { get } from "../api.js";
import { h } from "../dom.js";
import { linkTo } from "../items.js";
import { sheet, time } from "../parts.js";
import { words } from "../words.js";

const text = words.activity;
/** No account has come there: the answer has the latest place. */
const beyond = `${"9".repeat(18)}.00000000`;

export function activityScreen(place, signal) {
	let [rows, end, life] = [{}];
	const all = () => Object.values(rows).reverse();
	const take = (event) => { rows[event.sequence] = screen.find(event.id) ?? eventRow(event); };
	const page = async (after) => (await get("v2/events", { type: "*", limit: 100, after }, signal)).body;
	const screen = sheet("activity", h("ol.sheet.events"), async (isOn) => {
		if (!isOn) {
			[end, life] = (await page(beyond)).next_cursor.split(".");
			rows = {};
		}
		const known = all().length;
		// A window may hold progress alone, or begin where events have expired.
		do {
			const { gap, data } = await page(`${Math.max(0, end - 100)}.${life}`);
			(gap ? (await page()).data : data).forEach(take);
			end = gap ? 0 : end - 100;
		} while (end > 0 && all().length === known);
		return [all().slice(known), end > 0];
	}, signal);
	screen.onEvent = (event) => {
		if (event.type.endsWith(".progress")) return;
		take(event);
		screen.show(all());
	};
	return screen;
}

function eventRow(event) {
	const { id, mode, name, url } = event.data;
	const other = url ? [`#/webhooks/${id}`, text.webhook] : ["#/credits", words.app.places.credits];
	const [href, subject] = mode ? [linkTo(event.data), name] : other;
	return h("li", { "data-id": event.id }, h("span.what", null, subject ? h("a", { href }, subject) : text.gone(mode), ": ", words.detail.happened(event)),
		time(event.timestamp));
}
