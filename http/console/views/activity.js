// What happened. The service tells the oldest first: events are read in windows, from the latest back.

import { get } from "../api.js";
import { h } from "../dom.js";
import { linkTo } from "../items.js";
import { time } from "../parts.js";
import { words } from "../words.js";
import { sheet } from "./sheet.js";

const text = words.activity;
/** No account has come there: it is answered with the place of the latest event. */
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
		// A window may have nothing but progress, which is left out; or begin where events have expired.
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
	const { id, mode, name } = event.data;
	const subject = mode ? name && h("a", { href: linkTo({ mode, id }) }, name) : h("a", { href: `#/webhooks/${id}` }, text.webhook);
	return h("li", { "data-id": event.id }, h("span.what", null, subject || text.gone(mode), ": ", words.detail.happened(event) ?? text.disabled),
		time(event.timestamp));
}
