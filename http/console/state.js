// What holds for the whole page.

import { words } from "./words.js";

/** Changed by `change` alone. */
export const state = {
	/** How the page learns of changes: connecting, live, polling; or reconnecting, where the service cannot be reached at all. */
	connection: "connecting",
	/** In milliseconds since 1970; null where there is none. */
	maintenanceUntil: null,
	/** The answer of `/v2/me`; null until somebody has signed in. */
	me: null,
};

const listeners = new Set();

/** Tells those who watch, unless nothing has changed. */
export function change(news) {
	if (Object.entries(news).every(([name, value]) => state[name] === value)) return;
	Object.assign(state, news);
	for (const listener of [...listeners]) listener();
}

/** Calls a function now and after each change, until the signal. */
export function watch(listener, signal) {
	if (signal?.aborted) return;
	listeners.add(listener);
	signal?.addEventListener("abort", () => listeners.delete(listener));
	listener();
}

export const mayWrite = () => state.me?.key.scopes.includes("write") ?? false;

/** Why nothing can be changed at present, in words; null where it can. */
export function whyNoWrites() {
	if (state.me && !mayWrite()) return words.state.readOnly;
	if (state.maintenanceUntil !== null) return words.state.noWritesMaintenance;
	if (state.connection === "reconnecting") return words.state.noWritesOffline;
	return null;
}
