// Personas and styles on any screen.

import { call, get, mayWrite, remove } from "./api.js";
import { announce, h } from "./dom.js";
import { icon, problemNote, problemWords, renew, task, toast } from "./parts.js";
import { modes, words } from "./words.js";

const text = words.items;

const placeOf = ({ mode, id }) => `${modes[mode].collection}/${id}`;

export const pathOf = (item) => `v2/${placeOf(item)}`;

export const linkTo = (item) => `#/${placeOf(item)}`;

const previews = new Map();

/** Until there is a portrait. */
export const keepPreview = (id, blob) => previews.set(id, URL.createObjectURL(blob));

/** The portrait of an item, or what stands for it; perhaps in an older print. */
export function print({ id, name, status, progress, portrait_url }, element = h("div.print")) {
	const preview = previews.get(id);
	const source = portrait_url ?? preview;
	if (portrait_url && previews.delete(id)) URL.revokeObjectURL(preview);
	const monogram = name.match(/[^ _-]+/g)?.slice(0, 2).map(([letter]) => letter.toUpperCase());
	// An image that did not come is asked for again the next time.
	const image = element.querySelector("img") ?? h("img", {
		alt: "", loading: "lazy", decoding: "async", error() { this.remove(); element.dataset.missed = Date.now(); },
	});
	element.dataset.status = status;
	element.style.setProperty("--latent", 1 - progress / 100);
	renew(element, [monogram, source, status === "failed", element.dataset.missed], () => {
		if (source) image.src = source;
		return [h("span.monogram", { "aria-hidden": "true" }, monogram), source && image, status === "failed" && icon("cross")];
	});
	return element;
}

const icons = { completed: "check", failed: "close", processing: "clock" };

export function itemState(element, { status, progress, error, delete_when_settled: isLeaving }) {
	renew(element, [status, progress, error, isLeaving], () => {
		const said = words.status[status](progress, error);
		const strip = h("div.strip", { role: "progressbar", "aria-valuenow": progress, "aria-label": said },
			[10, 20, 30, 40, 50, 60, 70, 80, 90, 100].map((step) => h(progress < step ? "span" : "span.done")));
		return [status === "processing" && strip, h(`p.status.${status}`, null, icon(icons[status]), h("span", null, said)),
			error && h("p", null, error.message), isLeaving && h("p.quiet", null, text.goesLater)];
	});
}

const post = (verb) => async (item) => (await call("POST", `${pathOf(item)}/${verb}`)).body;
const stop = post("cancel");

function offerBack(item, said, done) {
	toast(said, mayWrite() && { label: text.undo, run: () => restore(item, done) });
	document.getElementById("toasts").lastElementChild.dataset.item = item.id;
}

async function trash(item, { done }) {
	// What is ready just now needs no stopping.
	if (item.status === "processing") await stop(item).catch((problem) => { if (problem.status !== 409) throw problem; });
	await remove(pathOf(item), { query: { to: "trash" } });
	offerBack(item, text.trashed(item.name), done);
}

async function trashLater(item) {
	const { status } = await remove(pathOf(item), { query: { to: "trash", when: "settled" } });
	return status === 202 && { ...item, delete_when_settled: true };
}

/** What can be done, with icons. Each gives what the item becomes: nothing in the trash. */
const deeds = {
	stop: [stop], retry: [post("retry")], trash: [trash, "trash"], stopAndTrash: [trash, "trash"], trashLater: [trashLater, "trash"],
	edit: [(item, { signal, mend }) => new Promise((resolve) => mend(item, { signal, closed: (mended) => resolve(mended ?? item) })), "pencil"],
	keep: [async (item) => (await call("PATCH", pathOf(item), { body: { delete_when_settled: false } })).body, "undo"],
};
const ways = { completed: ["trash"], failed: ["retry", "edit", "trash"], processing: ["stop", "stopAndTrash", "trashLater"], leaving: ["keep"] };

/** A `screen` has `done`, told what the item became, and `mend`, which is `openMend`. */
export function itemActions(element, item, screen) {
	const way = item.delete_when_settled ? "leaving" : item.status;
	const act = (deed) => {
		const [label, meanwhile] = text.deeds[deed];
		const [run, image] = deeds[deed];
		return task(label, meanwhile, async () => {
			element.querySelector(".note")?.remove();
			try {
				screen.done(await run(item, screen));
				// What had the focus may have been drawn anew below a dialog.
				const link = element.parentElement.querySelector("h2 a");
				if (document.activeElement === document.body) (link?.isConnected ? link : document.querySelector("h1")).focus();
			} catch (problem) {
				element.append(problemNote(problem));
			}
		}, screen.signal, { name: `${label}: ${item.name}`, icon: image, kind: image === "trash" && "quiet" });
	};
	if (mayWrite()) renew(element, [item.name, way, way === "failed" && item.updated_at], () => ways[way].map(act));
}

export async function restore(item, done) {
	try {
		const { body } = await call("POST", `v2/trash/${item.id}/restore`).catch((problem) => {
			// Somebody may have done so already.
			if (problem.status === 404) return get(pathOf(item));
			throw problem;
		});
		announce(text.restored(item.name));
		done?.(body, true);
	} catch (problem) {
		toast(problemWords(problem));
	}
}

const spoken = new Map();

/** Says how an item comes along, at most every ten seconds; and that it went by itself. */
export function announceProgress({ type, data, changed }) {
	const { id, name, status, progress, error } = data;
	const kind = type.split(".")[1];
	if (/restored|deleted/.test(kind)) document.querySelector(`.toast[data-item="${id}"]`)?.lastElementChild.click();
	if (kind === "trashed" && changed.includes("delete_when_settled") && !document.hidden) offerBack(data, text.went(name, status));
	const quarter = Math.floor(progress / 25) * 25;
	const [before, at] = spoken.get(id) ?? [0, 0];
	if (kind !== "progress") spoken.delete(id);
	else if (quarter === before || Date.now() - at < 10_000) return;
	else spoken.set(id, [quarter, Date.now()]);
	if (kind in text.news) announce(text.news[kind](name, error ?? quarter));
}
