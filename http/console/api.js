// Calls of the service: few at once, repeated where that does no harm.

import { key } from "./session.js";
import { change, state } from "./state.js";

const repeatsMax = 3;
/** The first pause, which doubles unless the service says when; and how long all may take. */
const [pauseSeconds, patienceSeconds] = [0.5, 60];

/** What went wrong with a call, as the error envelope has it. */
export class Problem extends Error {
	/** 0 where there was no answer. */
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
/** Has a function called when the key, or its account, is no longer good for anything. */
export const onAccessRefused = (listener) => { refuseAccess = listener; };

// A key without a scope is refused by the same code as an account without access.
const isAboutAccess = ({ status, code }) =>
	status === 401 || ["API_USER_NOT_FOUND", "ACCOUNT_SUSPENDED"].includes(code) || (code === "API_ACCESS_NOT_ENABLED" && !state.me);

/** Below the folder of this page, whatever a proxy puts before it. What is empty in the query is left out. */
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

export const lostAnswer = () => new Problem();

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

export function answerOf(status, text, header) {
	let body = null;
	try {
		body = JSON.parse(text);
	} catch {
		// It is empty, or from something in between: its status has to do.
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
		throw lostAnswer();
	}
	return answerOf(response.status, text, (name) => response.headers.get(name));
}

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

/** That it is gone already, after an answer that was lost, is what was asked for. */
export async function remove(path, options) {
	try {
		return await call("DELETE", path, options);
	} catch (error) {
		if (error.status === 404 && error.mayBeDone) return {};
		throw error;
	}
}
