// What stands over the page.

import { announce, h, uniqueID } from "./dom.js";
import { button, icon } from "./parts.js";
import { words } from "./words.js";

/** `mayClose` is asked when somebody leaves by Escape or the button. */
export function openDialog(title, { kind = "form", signal, mayClose = () => true, closed }, ...children) {
	const id = uniqueID();
	let isOpen = true;
	const close = () => {
		if (!isOpen) return;
		isOpen = false;
		element.close();
		element.remove();
		closed?.();
	};
	const leave = async (event) => {
		event.preventDefault();
		if (await mayClose()) close();
	};
	// Browsers let a second Escape close a dialog whatever the page says of `cancel`, which is left to the gestures of phones.
	const keydown = (event) => { if (event.key === "Escape") leave(event); };
	// Choosing a file can be cancelled, too.
	const cancel = (event) => { if (event.target === element) leave(event); };
	const element = h(`dialog.${kind}`, { "aria-labelledby": id, close, keydown, cancel },
		h("header.dialog-head", null, h("h2", { id }, title), button(words.app.close, leave, { kind: "quiet", icon: "close" })),
		h("p.offscreen.announcements", { role: "status" }), children);
	signal?.addEventListener("abort", close, { once: true });
	document.body.append(element);
	element.showModal();
	return { close };
}

/** Asks before something that cannot be undone; the safe answer has the focus. */
export const ask = ({ title, text, yes, no = words.app.cancel }, signal) => new Promise((resolve) => {
	const refuse = button(no, () => dialog.close());
	const agree = button(yes, () => { resolve(true); dialog.close(); }, { kind: "danger" });
	const dialog = openDialog(title, { kind: "question", signal, closed: () => resolve(false) },
		h("p", null, text), h("div.actions", null, refuse, agree));
	refuse.focus();
});

const toastsMax = 3;

/** Says what was done, with a way back for a while. */
export function toast(text, action) {
	const shelf = document.getElementById("toasts");
	let before = null;
	let secondsLeft = 20;
	const timer = setInterval(() => {
		if (!element.matches(":hover, :focus-within") && !(secondsLeft -= 1)) leave();
	}, 1000);
	const leave = () => {
		clearInterval(timer);
		if (element.contains(document.activeElement)) (before?.isConnected ? before : document.querySelector("h1")).focus({ preventScroll: true });
		element.remove();
	};
	const element = h("div.toast", { focusin({ relatedTarget }) { if (!element.contains(relatedTarget)) before = relatedTarget; } },
		h("p", null, text), action && button(action.label, () => { leave(); action.run(); }, { icon: "undo" }),
		h("button.quiet", { type: "button", "aria-label": words.app.close, click: leave }, icon("close")));
	if (shelf.childElementCount >= toastsMax) shelf.firstElementChild.remove();
	shelf.append(element);
	announce(text);
}
