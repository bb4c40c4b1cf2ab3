// The photographs of a form: three places, the rules, and smaller copies.

import { h } from "./dom.js";
import { button, field, icon, renew } from "./parts.js";
import { modes, words } from "./words.js";

const text = words.create;
const bytesMax = 10_485_760;

const kinds = [
	["jpeg", /^\xff\xd8\xff/, jpegSides],
	["png", /^\x89PNG\r\n\x1a\n/, (view) => [view.getUint32(16), view.getUint32(20)]],
	["gif", /^GIF8[79]a/, (view) => [view.getUint16(6, true), view.getUint16(8, true)]],
	["webp", /^RIFF[^]{4}WEBPVP8X/, (view) => [23, 26].map((at) => (view.getUint32(at, true) >>> 8) + 1)],
	// Other WebP has no bits for sides that are too long.
	["webp", /^RIFF[^]{4}WEBP/],
	["heic", /^[^]{4}ftyp(he|mi|ms|avi[fs])/],
];

function jpegSides(view) {
	for (let at = 2; ; at += 2 + view.getUint16(at + 2)) {
		while (view.getUint8(at + 1) === 0xff) at += 1;
		const marker = view.getUint8(at + 1);
		if (marker >> 4 === 0xc && ![0xc4, 0xc8, 0xcc].includes(marker)) return [view.getUint16(at + 7), view.getUint16(at + 5)];
	}
}

async function shrink(bitmap, scale) {
	const [width, height] = [bitmap.width, bitmap.height].map((side) => Math.ceil(side * scale));
	const canvas = new OffscreenCanvas(width, height);
	// What cannot be seen would be black in a JPEG.
	const context = Object.assign(canvas.getContext("2d"), { imageSmoothingQuality: "high", fillStyle: "#fff" });
	context.fillRect(0, 0, width, height);
	context.drawImage(bitmap, 0, 0, width, height);
	let copy;
	for (const quality of [0.9, 0.75, 0.5]) {
		copy = await canvas.convertToBlob({ type: "image/jpeg", quality });
		if (copy.size <= bytesMax) break;
	}
	return copy;
}

/** What is wrong, in words; or a `blob` to send, and the `original` if that may be sent too. */
async function examine(file) {
	const { name, size } = file;
	// A phone has no memory for more.
	if (size > 10 * bytesMax) return text.large(size);
	const bytes = new Uint8Array(await file.arrayBuffer());
	const start = String.fromCharCode(...bytes.subarray(0, 16));
	const [kind, , sidesOf] = kinds.find(([, pattern]) => pattern.test(start)) ?? [];
	if (!kind) return text.strange;
	// A few bytes can claim more than there is memory for.
	const [width, height] = sidesOf?.(new DataView(bytes.buffer)) ?? [];
	if (Math.max(width, height) > 16_384 || width * height > 100e6) return text.manyPixels(width, height);
	const isHEIC = kind === "heic";
	// A file may be gone or changed when it is sent.
	const whole = new Blob([bytes], { type: `image/${kind}` });
	const bitmap = await createImageBitmap(whole).catch(() => null);
	if (!bitmap) return isHEIC ? text.heic : text.broken;
	const original = !isHEIC && size <= bytesMax && whole;
	const scale = Math.min(1, 4_096 / Math.max(bitmap.width, bitmap.height));
	const copy = (!original || scale < 1) && (await shrink(bitmap, scale));
	bitmap.close();
	// Line art can become larger.
	const isCopied = copy && (!original || copy.size < size);
	const blob = isCopied ? copy : original;
	return {
		name, blob, image: h("img", { src: URL.createObjectURL(blob), alt: "", load: ({ target }) => URL.revokeObjectURL(target.src) }),
		digest: bytes.reduce((sum, byte) => Math.imul(sum ^ byte, 16_777_619), size),
		original: isCopied && original, said: isCopied && (isHEIC ? text.converted : text.smaller(size, blob.size)),
	};
}

const blank = { blob: null, original: null, said: "", trouble: "", digest: null };

export function filmFor(mode, changed) {
	const { photographs: title, advice, first } = modes[mode];
	/** The same objects: they are moved while a file is examined. */
	const photos = [1, 2, 3].map(() => ({ ...blank }));
	let queue = Promise.resolve();

	/** One by one, because each may need much memory. */
	const add = (list, wanted) => {
		const files = [...list];
		if (files.length) queue = queue.then(async () => {
			addressBox.open = false;
			const free = files.length === 1 && wanted ? [wanted] : photos.filter((place) => !place.blob || place === wanted);
			const refused = [];
			while (files.length && free.length) {
				const [file, [place]] = [files.shift(), free];
				place.isLooking = true;
				change();
				const found = await examine(file).catch(() => text.broken);
				place.isLooking = false;
				if (found.blob) Object.assign(free.shift(), blank, found);
				else refused.push(text.refused(file.name, found));
			}
			for (const place of free) if (!place.blob) place.trouble = refused.shift() ?? place.trouble;
			change(null, [text.count(photos.filter(({ blob }) => blob).length), ...refused, ...files.map(text.noRoom)].join(" "));
		});
	};

	const picker = (attributes, index) => h("input.offscreen", {
		// Without HEIC, so that most phones convert by themselves.
		type: "file", accept: "image/jpeg,image/png,image/webp,image/gif", ...attributes,
		change({ target }) { add(target.files, photos[index]); target.value = ""; },
	});

	const places = photos.map((_, index) => {
		const label = text.photograph(index + 1);
		const named = (what) => `${what}: ${label}`;
		const put = (changes) => { Object.assign(photos[index], changes); change(index); };
		const lead = () => { photos.unshift(...photos.splice(index, 1)); change(0); };
		const input = picker({ id: `photograph-${index}`, "aria-describedby": `note-${index}`, multiple: true }, index);
		const [image, actions, host] = [h("span.content"), h("div.slot-actions"), h("span")];
		const frame = h("li.frame", null, h("label.pick", null, h("span.number", null, index + 1), input, image), actions);
		const url = h("input", { type: "url", required: true, pattern: "https://\\S+", input: () => refuse("") });
		const address = field(text.address(index + 1), url, { hint: host });
		const content = () => (addressBox.open ? url.validity.valid && url.value : photos[index].blob);
		const missing = () => ({ index, message: !content() && (addressBox.open ? text.addressRule : photos[index].trouble || text.add) });
		const refuse = (trouble) => {
			if (addressBox.open) address.setTrouble(trouble);
			else photos[index].trouble = trouble;
			change();
			return { input: addressBox.open ? url : input, text: `${label}: ${trouble}` };
		};
		/** Gives what is to be said of the place. */
		const draw = () => {
			const { name, blob, original, said, isLooking, digest, ...found } = photos[index];
			const trouble = isLooking ? "" : found.trouble;
			host.textContent = url.validity.valid ? new URL(url.value).host : text.addressRule;
			Object.assign(input, { ariaLabel: blob ? `${label}, ${name}` : named(text.add), ariaInvalid: trouble ? "true" : null });
			frame.classList.toggle("wrong", trouble);
			renew(image, digest, () => (blob ? found.image : [h("strong", null, text.add), h("span", null, text.addHow)]));
			renew(actions, digest, () => blob && [
				index ? button(text.lead(first), lead, { name: named(text.lead(first)) }) : h("span.first", null, first),
				h("button.remove", { type: "button", "aria-label": named(text.remove), click: () => put(blank) }, icon("close"))]);
			const twin = photos.findIndex((each) => each.digest === digest);
			const line = trouble || [isLooking ? text.looking : said, blob && twin < index && text.same(twin + 1)].filter(Boolean).join(" ");
			return line && h(trouble ? "p.trouble" : "p.hint", { id: `note-${index}` },
				trouble && icon("warning"), h("span", null, h("strong", null, `${label}: `), line),
				original && button(text.useOriginal, () => put({ blob: original, original: null, said: "" })));
		};
		return { input, frame, address, draw, content, missing, refuse };
	});

	const notes = h("div.film-notes", { role: "status" });
	const files = h("div", null, h("ul.film", null, places.map(({ frame }) => frame)), notes, h("p.hint", null, advice, text.rules(first)),
		h("div.actions", null, matchMedia("(pointer: coarse)").matches
			&& h("label.button", null, icon("camera"), text.camera, picker({ capture: "environment" }))));
	const addressBox = h("details.addresses", { toggle: () => change() },
		h("summary", null, text.addresses), places.map(({ address }) => address.element));

	/** A place gets the focus, because the button may be gone. */
	const change = (index, news) => {
		files.hidden = addressBox.open;
		const said = places.map(({ draw }) => draw());
		renew(notes, [photos, news], () => [said, news && h("p.hint", null, news)]);
		places[index]?.input.focus();
		changed();
	};

	for (const { draw } of places) draw();
	return {
		element: h("fieldset.photographs", null, h("legend", null, title), files, addressBox), add, places, settled: () => queue,
		body(texts) {
			const all = places.map(({ content }) => content());
			if (addressBox.open) return { ...texts, image_urls: all };
			const form = new FormData();
			// As files: in texts browsers make the ends of lines longer.
			for (const [name, value] of Object.entries(texts)) form.append(name, new Blob([value]));
			for (const blob of all) form.append("image", blob);
			return form;
		},
	};
}
