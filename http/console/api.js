// The service as the page knows it: what holds now; and calls, few at once, repeated where that does no harm.

import { key } from "./session.js";
import { words } from "./words.js";

/** Changed by `change` alone. */
export const state = {
	/** How the page learns of changes: connecting, live, polling; or reconnecting, while nothing answers. */
	connection: "connecting",
	/** In milliseconds since 1970, or null. */
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

export const may = (scope) => state.me?.key.scopes.includes(scope) ?? false;
export const mayWrite = () => may("write");

/** Why nothing that needs a scope can be changed, in words; null where it can. */
export function whyNoWrites(scope = "write") {
	if (state.me && !may(scope)) return words.state.readOnly(may("billing"));
	if (state.maintenanceUntil !== null) return words.state.noWritesMaintenance;
	if (state.connection === "reconnecting") return words.state.noWritesOffline;
	return null;
}

const repeatsMax = 3;
/** The first pause, which doubles unless the service says when; and all of them. */
const [pauseSeconds, patienceSeconds] = [0.5, 60];

/** What went wrong with a call, as the error envelope has it. */
export class Problem extends Error {
	/** 0 without an answer. */
	status = 0;
	code = "";
	details = [];
	/** Whether an earlier attempt may have been done, its answer lost. */
	mayBeDone = false;

	constructor(facts) {
		super();
		Object.assign(this, facts);
	}

	/** Whether the same call may succeed later. */
	get isPassing() {
		return [0, 429].includes(this.status) || (this.status >= 500 && this.code !== "CONFIGURATION_ERROR") || this.code === "IDEMPOTENCY_KEY_IN_USE";
	}
	get isMaintenance() { return this.code === "SERVICE_UNDER_MAINTENANCE"; }
}

export const isAborted = (error) => error?.name === "AbortError";

let refuseAccess;
/** Has a function called when the key, or its account, is no longer good. */
export const onAccessRefused = (listener) => { refuseAccess = listener; };

// A key without a scope is refused by the same code.
const isAboutAccess = ({ status, code }) =>
	status === 401 || ["API_USER_NOT_FOUND", "ACCOUNT_SUSPENDED"].includes(code) || (code === "API_ACCESS_NOT_ENABLED" && !state.me);

/** Below this page's folder, whatever a proxy puts before it; without what is empty in the query. */
export function address(path, query = {}) {
	const url = new URL(path, new URL(".", location.href));
	for (const [name, value] of Object.entries(query)) if (value || value === 0) url.searchParams.set(name, value);
	return url;
}

// Over plain http browsers have no `randomUUID`.
export const uniqueKey = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

export const pause = (seconds, signal) => new Promise((resolve, reject) => {
	signal?.throwIfAborted();
	setTimeout(resolve, seconds * 1000);
	signal?.addEventListener("abort", () => reject(signal.reason));
});

/** Less than 0 where some wait. */
let freePlaces = 4;
const waiting = [];

async function inTurn(action) {
	freePlaces -= 1;
	if (freePlaces < 0) await new Promise((resolve) => waiting.push(resolve));
	try {
		return await action();
	} finally {
		freePlaces += 1;
		waiting.shift()?.();
	}
}

export const problemOf = (status, body, header) => new Problem({
	...body?.error, status, requestID: body?.request_id ?? header("X-Request-Id"), retryAfterSeconds: Number(header("Retry-After")) || null,
});

export function noteRefusal(problem) {
	if (isAboutAccess(problem)) refuseAccess(problem);
	if (problem.isMaintenance) change({ maintenanceUntil: Date.now() + (problem.retryAfterSeconds ?? 30) * 1000 });
}

export function dressed(body, headers) {
	const isObject = body && !(body instanceof FormData || body instanceof Blob);
	return {
		cache: "no-store", credentials: "omit", body: isObject ? JSON.stringify(body) : body,
		headers: { "X-Api-Key": key(), ...(isObject && { "Content-Type": "application/json" }), ...headers },
	};
}

function answerOf(status, text, header) {
	let body = null;
	try {
		body = JSON.parse(text);
	} catch {
		// It is empty, or from something in between.
	}
	if (status < 200 || status > 299) throw problemOf(status, body, header);
	change({ maintenanceUntil: null });
	return { status, body, etag: header("ETag") };
}

async function once(method, path, { query, body, headers, signal }) {
	const ending = AbortSignal.any([signal, AbortSignal.timeout(patienceSeconds * 1000)].filter(Boolean));
	let response, text;
	try {
		response = await fetch(address(path, query), { method, signal: ending, ...dressed(body, headers) });
		text = await response.text();
	} catch {
		signal?.throwIfAborted();
		throw new Problem();
	}
	return answerOf(response.status, text, (name) => response.headers.get(name));
}

/** For `call`: tells `progress(sent, all)` of bytes; with `received(bytes)` the answer is a blob. */
export const upload = (progress, received) => async (method, path, { body, headers, signal }) => {
	signal.throwIfAborted();
	const sent = dressed(body, headers);
	const request = new XMLHttpRequest();
	request.open(method, address(path));
	for (const header of Object.entries(sent.headers)) request.setRequestHeader(...header);
	request.upload.onprogress = ({ loaded, total }) => progress(loaded, total);
	signal.addEventListener("abort", () => request.abort());
	await new Promise((resolve, reject) => {
		Object.assign(request, {
			responseType: "blob", onprogress: ({ loaded }) => received?.(loaded),
			onload: resolve, onerror: () => reject(new Problem()), onabort: () => reject(signal.reason),
		});
		request.send(sent.body);
	});
	const { status, response } = request;
	return received && status < 300 ? response : answerOf(status, await response.text(), (name) => request.getResponseHeader(name));
};

/** Seconds until the same is tried again; null where it is not to be. */
function pauseBefore(method, problem, repeats) {
	if (!problem.isPassing || problem.isMaintenance) return null;
	// Whoever sent a write sees it counted down.
	if (problem.status === 429) return method === "GET" ? problem.retryAfterSeconds ?? 1 : null;
	return repeats < repeatsMax ? problem.retryAfterSeconds ?? pauseSeconds * 2 ** repeats : null;
}

/**
 * Throws what went wrong as `Problem`. What is lost or fails is sent again: POST under one key, others because a second time changes nothing more.
 * `repeating()` is told of that; `send` is in place of fetch.
 */
export async function call(method, path, { ifMatch, idempotencyKey = uniqueKey(), repeating, send = once, ...request } = {}) {
	const headers = { ...request.headers };
	if (ifMatch) headers["If-Match"] = ifMatch;
	if (method === "POST") headers["Idempotency-Key"] = idempotencyKey;
	let [waitedSeconds, mayBeDone] = [0, false];
	for (let repeats = 0; ; repeats += 1) {
		try {
			return await inTurn(() => send(method, path, { ...request, headers }));
		} catch (error) {
			if (!(error instanceof Problem)) throw error;
			const seconds = pauseBefore(method, error, repeats);
			waitedSeconds += seconds;
			if (seconds === null || waitedSeconds > patienceSeconds) {
				error.mayBeDone = mayBeDone;
				noteRefusal(error);
				throw error;
			}
			if (error.status === 0 || error.status >= 500) mayBeDone = true;
			repeating?.();
			await pause(seconds, request.signal);
		}
	}
}

export const get = (path, query, signal) => call("GET", path, { query, signal });

/** To be gone already, after an answer that was lost, is what was asked for. */
export async function remove(path, options) {
	try {
		return await call("DELETE", path, options);
	} catch (error) {
		if (error.status === 404 && error.mayBeDone) return {};
		throw error;
	}
}
