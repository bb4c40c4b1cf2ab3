// Changes as they happen. One tab reads for all of its account: browsers have six connections for an address. Without locks, as over plain http,
// each reads for itself while it is seen.

import { address, change, dressed, get, noteRefusal, pause, Problem, problemOf, state } from "./api.js";

/** After so many failures to stream, changes are asked for instead, for a while. */
const [failuresMax, pollSeconds, streamAgainSeconds] = [3, 5, 30];
/** The service says something every 12 seconds. */
const silenceSecondsMax = 30;

/** Until the signal, calls `event(event)` for each change, `resync()` where it is not known what happened. */
export function follow(accountID, handlers, signal) {
	const name = `personas-events-${accountID}`;
	const { locks } = navigator;
	const reader = new Reader(handlers, signal, locks && new BroadcastChannel(name));
	if (locks) return locks.request(name, { signal }, () => reader.lead(signal)).catch(() => {});
	let visit;
	const attend = () => {
		visit?.abort();
		if (document.hidden) return;
		visit = new AbortController();
		reader.lead(AbortSignal.any([signal, visit.signal]));
	};
	document.addEventListener("visibilitychange", attend, { signal });
	attend();
}

const isEvent = (event) => Number.isInteger(event?.sequence) && typeof event.type === "string" && event.data instanceof Object;
const connections = ["connecting", "live", "polling", "reconnecting"];

class Reader {
	lastID = null;
	lastSequence = 0;
	failures = 0;
	hasComeBack = false;
	isLeader = false;

	constructor(handlers, signal, channel) {
		Object.assign(this, { handlers, signal, channel });
		channel?.addEventListener("message", ({ data }) => {
			if (!this.isLeader) this.heed(data ?? {});
			else if (data?.kind === "hello") this.become(state.connection);
		});
		signal.addEventListener("abort", () => channel?.close());
		this.tell({ kind: "hello" });
	}

	tell(message) {
		if (!this.signal.aborted) this.channel?.postMessage(message);
	}

	/** Heeds a message, as all tabs are to do. */
	spread(message) {
		this.heed(message);
		this.tell(message);
	}

	become(connection) {
		this.spread({ kind: "state", connection, id: this.lastID });
	}

	/** Anything that runs under this origin can send messages to tabs. */
	heed({ kind, event, connection, id: givenID }) {
		const id = typeof givenID === "string" ? givenID : null;
		if (kind === "event" && isEvent(event)) {
			this.lastID = id ?? this.lastID;
			if (event.sequence <= this.lastSequence) return;
			this.lastSequence = event.sequence;
			this.handlers.event(event);
		}
		if (kind === "resync") {
			[this.lastID, this.lastSequence] = [id, 0];
			this.handlers.resync();
		}
		if (kind === "state" && connections.includes(connection)) {
			this.lastID ??= id;
			const before = state.connection;
			change({ connection });
			// What was asked for while nothing came is asked for again.
			if (before === "reconnecting" && connection !== before) this.handlers.resync();
		}
	}

	async lead(signal) {
		this.isLeader = true;
		while (!signal.aborted) {
			try {
				await this.read(signal);
				await pause(1, signal);
			} catch (error) {
				if (!signal.aborted) await this.recover(error, signal);
			}
		}
		this.isLeader = false;
	}

	async read(signal) {
		const silence = new AbortController();
		let timer;
		const heard = () => {
			clearTimeout(timer);
			timer = setTimeout(() => silence.abort(), silenceSecondsMax * 1000);
		};
		try {
			heard();
			// Without a network a stream stays open, and silent.
			addEventListener("offline", () => silence.abort(), { signal: silence.signal });
			const response = await fetch(address("v2/events", { after: this.lastID }), {
				signal: AbortSignal.any([signal, silence.signal]), ...dressed(null, { Accept: "text/event-stream" }),
			});
			if (!response.ok) throw problemOf(response.status, await response.json().catch(() => null), (name) => response.headers.get(name));
			[this.failures, this.hasComeBack] = [0, false];
			this.become("live");
			for await (const { id, event, data } of messages(response.body, heard)) {
				// What was read before the stream began may be older than it.
				if (event === "ready" || event === "resync") this.spread({ kind: "resync", id });
				else if (data) this.spread({ kind: "event", event: JSON.parse(data), id });
			}
		} finally {
			clearTimeout(timer);
			silence.abort();
		}
	}

	async recover(error, signal) {
		this.failures += 1;
		// Without a place for another stream it can still be asked.
		const isFull = error.status === 429;
		if (error instanceof Problem) noteRefusal(error);
		else this.become("reconnecting");
		if (this.failures < failuresMax && !isFull) return rest(this.failures, signal);
		const endsAt = Date.now() + streamAgainSeconds * 1000;
		while (!signal.aborted && Date.now() < endsAt) {
			const isThere = await this.poll(signal);
			// A service that is back may stream at once, if nothing between prevents it.
			if (isThere && !isFull && !this.hasComeBack) {
				this.hasComeBack = true;
				return;
			}
			await rest(pollSeconds, signal);
		}
	}

	/** Asks once what has changed; whether that was answered. */
	async poll(signal) {
		try {
			if (this.lastID === null) {
				await get("v2/me", {}, signal);
				this.spread({ kind: "resync" });
			} else {
				const { gap, data, next_cursor: id } = (await get("v2/events", { after: this.lastID, limit: 100 }, signal)).body;
				if (gap) this.spread({ kind: "resync", id });
				for (const event of data) this.spread({ kind: "event", event, id });
				this.lastID = id;
			}
			this.become("polling");
			return true;
		} catch (error) {
			if (!signal.aborted && error.status === 0) this.become("reconnecting");
			return false;
		}
	}
}

/** Ends early with the signal, or with a network. */
async function rest(seconds, signal) {
	const awake = new AbortController();
	addEventListener("online", () => awake.abort(), { signal: awake.signal });
	await pause(seconds, AbortSignal.any([signal, awake.signal])).catch(() => {});
	awake.abort();
}

/** Server-sent events; `heard` is called for whatever comes, comments too. */
async function* messages(body, heard) {
	const reader = body.pipeThrough(new TextDecoderStream()).getReader();
	let rest = "";
	for (;;) {
		const { value, done } = await reader.read();
		if (done) return;
		heard();
		const parts = (rest + value).split("\n\n");
		rest = parts.pop();
		for (const part of parts) yield Object.fromEntries(part.split("\n").map((line) => line.split(/: ?(.*)/s, 2)));
	}
}
