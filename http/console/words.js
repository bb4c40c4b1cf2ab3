// All that the page says.

export const modes = {
	persona: {
		collection: "personas", many: "Personas", one: "persona", add: "New persona",
		photographs: "Three photographs of one face", advice: "One person, face clear, different angles. ", first: "Portrait",
	},
	style: {
		collection: "styles", many: "Styles", one: "style", add: "New style",
		photographs: "Three pictures of one look", advice: "The same look in each. ", first: "Cover",
	},
};

const whole = (number) => number.toLocaleString("en");
const count = (number, one) => `${whole(number)} ${one}${number === 1 ? "" : "s"}`;

const megabytes = (bytes) => (bytes / 1e6).toFixed(1);

/** In steps of a thousand, as file managers have them. */
const size = (bytes) => (bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} KB` : bytes < 1e9 ? `${megabytes(bytes)} MB` : `${megabytes(bytes / 1e3)} GB`);

const share = (used, max) => `${used}${max === null ? " (no limit)" : ` of ${max}`}`;

export const words = {
	app: {
		name: "Personas",
		places: { personas: "Personas", styles: "Styles", trash: "Trash", activity: "Activity", webhooks: "Webhooks", account: "Account", credits: "Credits" },
		signOut: "Sign out",
		nothingHere: "Nothing here", nothingHereMore: "This address leads nowhere.", toPersonas: "To the personas",
		close: "Close", cancel: "Cancel", tryAgain: "Try again", seeWhy: "See why",
		loading: "Loading…", more: "Show more",
	},
	state: {
		connecting: "Connecting…", live: "Live", polling: "Updates every 5 s", reconnecting: "Reconnecting…", maintenance: "Paused",
		readOnly: (mayPay) => `This key may only read${mayPay ? " and set Smart Balance" : ""}.`,
		noWritesMaintenance: "Changes wait until maintenance is over.",
		noWritesOffline: "Changes wait until the service is reached.",
		maintenanceBanner: (seconds) => `The service is being maintained. What you see stays; we look again in ${count(seconds, "second")}.`,
		offlineBanner: "The service cannot be reached. What you see may be old.",
	},
	key: {
		title: "Open the console",
		lead: "Paste your API key.",
		label: "API key", keep: "Stay signed in on this tab", checking: "Checking…",
		where: "Operators make them by ", goes: ". Yours stays in this tab and goes to this service alone.",
		refused: {
			INVALID_API_KEY_FORMAT: "Keys begin with “pkz_” and have no spaces.",
			INVALID_API_KEY: "This key is not known here. Is it whole?",
			API_KEY_DELETED: "This key was deleted.",
			API_KEY_INACTIVE: "This key is switched off or has expired.",
		},
		ended: "The key is no longer good.",
		barred: {
			ACCOUNT_SUSPENDED: ["This account is suspended", "Nothing is lost. Ask the operator."],
			API_ACCESS_NOT_ENABLED: ["This account has no access yet", "Its key is right. Ask the operator."],
			API_USER_NOT_FOUND: ["This account is gone", "It was deleted."],
		},
		otherKey: "Use another key",
	},
	account: {
		use: "What is here", key: "The key", limits: "Limits", theme: "Colours",
		themes: { "": "As the system", light: "Light", dark: "Dark" },
		keyOf: ({ prefix, label, scopes, created_at: made, expires_at: end }, time) => ({
			"Begins with": prefix, Label: label ?? "none", May: scopes.join(", "), Made: time(made), Ends: end ? time(end) : "never",
		}),
		uses({ counts: { items, stored_bytes: bytes, personas, styles }, limits }) {
			const each = (status) => `${count(personas[status], "persona")}, ${count(styles[status], "style")}`;
			return {
				Ready: each("completed"), Developing: each("processing"), "Did not work": each("failed"), "In the trash": each("trash"),
				"In all": share(items, limits.items), Photographs: share(size(bytes), limits.stored_bytes && size(limits.stored_bytes)),
			};
		},
		limitsOf: (limits) => ({
			"A second": `${limits.reads_per_second} reads, ${limits.writes_per_second} changes`,
			"At once": `${limits.requests_in_flight} requests, ${limits.streams} streams`,
			"A photograph": size(limits.image_bytes), "A request": size(limits.body_bytes), Webhooks: limits.webhooks,
		}),
		archive: "Export and import", about: "All but the trash, in one .tar.",
		export: ["Export", "Exporting…"], import: ["Import", "Importing…"],
		soFar: (bytes) => `${size(bytes)} so far`, exported: (name, bytes) => `Saved as ${name}, ${size(bytes)}.`,
		file: "Archive", noFile: "Choose an archive first.", cancelled: "Cancelled.",
		outcome: (created, skipped, failed) => `${count(created, "item")} created, ${skipped} already there, ${failed} refused.`,
		goOn: "“Import” goes on: nothing is made twice.",
	},
	trash: {
		lead: "It can be brought back until its days are over.",
		empty: "The trash is empty", emptyMore: "What you throw away stays for a while.",
		kept: (one, days) => `A ${one} · ${days ? `${count(days, "day")} left` : "goes today"}`,
		restore: "Restore", restoring: "Bringing back…", purge: "Delete for ever", purging: "Deleting…",
		anew: { name: "Bring it back as", external_id: "Your own id for it, or none" }, other: "Show the other",
		forEver: (name, one) => ({
			title: `Delete “${name}” for ever?`, text: `The ${one}, its photographs and its history cannot come back.`, yes: "Delete for ever",
		}),
	},
	activity: {
		lead: "What happened.",
		empty: "Nothing has happened yet", emptyMore: "Changes are told here.",
		webhook: "A webhook", gone: (one) => `A ${one} that is gone`,
	},
	problem: {
		load: "This could not be loaded",
		lost: "The service could not be reached. Are you online?",
		fault: "Something went wrong. It is not your fault.",
		soon: (seconds) => `Too fast. Try again in ${count(seconds, "second")}.`,
		requestID: "Request id",
		noScope: "This key may not do that.",
		summary: (number) => `${count(number, "thing")} to mend:`,
	},
	forms: {
		nameStrangers: (all) => `Leave out “${all.join("” “")}”: use letters A–Z, digits, spaces, - and _.`,
		nameMissing: "Give it a name.",
		controlCharacters: "It has an invisible character. Paste it anew.",
		long: (length, max) => `${length} characters are too many; ${max} are the most.`,
	},
	detail: {
		members: { name: "Name", special_instructions: "Instructions", metadata: "Metadata", external_id: "External id" }, none: "None",
		change: { name: "Rename", special_instructions: "Change instructions", metadata: "Change metadata" },
		save: "Save", saving: "Saving…", saved: "Saved", other: "Open the one that has it",
		lines: "For your own programs. ", lineRule: "Each line needs a key of its own, a colon and a value.",
		clash: "Changed meanwhile", theirs: "Theirs", yours: "Yours", keepMine: "Keep mine", takeTheirs: "Take theirs", id: "Id", link: "Link",
		history: "History", version: (number) => `Version ${number}`, present: "as it is now", timeline: "What happened",
		happened: ({ type, data, changed }) => ({
			created: "Created", completed: "Developed", retried: "Tried again", trashed: "Moved to trash", restored: "Restored", deleted: "Deleted for ever",
			disabled: "Switched off", paused: `Smart Balance is paused: ${data.paused_reason}`,
			failed: data.error?.code === "CANCELLED" ? "Stopped" : `Did not work: ${data.error?.message}`,
			updated: `Changed: ${changed.map((member) => words.detail.members[member] ?? "where it goes when finished").join(", ")}`,
		})[type.split(".")[1]] ?? (data.kind && words.credits.told(data)),
		gone: { trashed: "It is in the trash.", deleted: "It was deleted for ever.", lost: "It is no longer there." },
		goneMore: "It may be in the trash, deleted, or another account's.", toTrash: "Look into the trash",
	},
	status: {
		completed: () => "Ready", failed: (percent, { code }) => (code === "CANCELLED" ? "Stopped" : "Did not work"),
		processing: (percent) => (percent > 0 ? `Developing… ${percent}\u00a0%` : "Waiting for its turn"),
	},
	items: {
		deeds: {
			stop: ["Stop", "Stopping…"], retry: ["Try again", "Starting…"], edit: ["Edit", "Editing…"], trash: ["Move to trash", "Moving…"],
			stopAndTrash: ["Stop and trash", "Moving…"], trashLater: ["Trash when finished", "Moving…"], keep: ["Keep it", "Keeping…"],
		},
		goesLater: "Goes to the trash when finished", undo: "Undo",
		news: {
			progress: (name, percent) => `${name}: ${percent} percent developed`, completed: (name) => `${name} is ready`,
			failed: (name, { code, message }) => (code === "CANCELLED" ? `${name} was stopped` : `${name} did not work. ${message}`),
		},
		restored: (name) => `${name} is back`,
		trashed: (name) => `“${name}” is in the trash. Links to its pictures no longer work.`,
		went: (name, status) => `${name} ${status === "completed" ? "is ready" : "did not work"} and went to the trash`,
	},
	webhooks: {
		lead: "Your programs are told what happens here.", empty: "No program is told yet",
		add: "Add a webhook", change: "Change", busy: "One moment…",
		states: {
			on: "On", unheard: "On, but nothing arrives", manual: "Off: switched off by hand", gone: "Off: it answered that it is gone (410)",
			failing: "Off: nothing arrived for five days",
		},
		tells: "Told of: ", last: "Last message: ", counts: ({ pending, missing }) => `${pending} waiting, ${missing} missed`,
		event: (type) => (type === "*" ? "everything but progress" : type.replace(".*", " (everything but progress)").replace(/[._]/g, " ")),
		address: "Address", addressHint: "https://hooks.example.com/personas", note: "Note", which: "Told of",
		secretTitle: "The secret", secret: "It signs messages. Copy it now: it is not shown again.",
		secretLost: "It got lost on the way. Make a new secret.",
		test: "Send a test", turn: { disabled: "Switch off", enabled: "Switch on" }, sendMissed: "Send what was missed", sendAgain: "Send again",
		done: "Done.", clash: "Changed meanwhile. Look, and save again.",
		rotate: "New secret", rotation: { title: "Make a new secret?", text: "For 24 hours both sign messages.", yes: "Make it" },
		remove: "Delete", forEver: (host) => ({ title: `Delete the webhook to ${host}?`, text: "Nobody can bring it back.", yes: "Delete" }),
		log: "Deliveries", nothing: "Nothing to show.",
		statuses: { "": "All", pending: "Waiting", succeeded: "Delivered", failed: "Did not arrive", cancelled: "Cancelled" },
		answered: (status) => `Answered ${status}`,
		errors: { timeout: "No answer in time", dns: "Name not found", tls: "Bad certificate", forbidden_address: "Private network" },
		unconfigured: "This service has no key to keep secrets with.",
		banner: (host) => `The webhook to ${host} was switched off.`,
	},
	create: {
		create: "Create", name: "Name", nameHint: "Letters A–Z, digits, spaces, - and _.", special_instructions: "Special instructions",
		mend: (name) => `Mend “${name}”`, taken: "This name is taken. ", rules: (first) => `JPEG, PNG, WebP or GIF, up to 10 MB each; the first is the ${first.toLowerCase()}.`,
		count: (number) => `${number} of 3 photographs.`, photograph: (number) => `Photograph ${number}`,
		add: "Add a photograph", addHow: "drop, paste or choose", remove: "Remove", lead: (first) => `Make ${first.toLowerCase()}`,
		looking: "Looking…", camera: "Take a photo", addresses: "Use web addresses",
		address: (number) => `Address of photograph ${number}`, addressRule: "It begins with https:// and has no spaces.",
		refused: (name, trouble) => `“${name}” ${trouble}`, noRoom: ({ name }) => `No room for “${name}”.`,
		same: (number) => `It is the same picture as photograph ${number}.`,
		useOriginal: "Use original", converted: "Converted to JPEG.",
		smaller: (before, after) => `Made smaller: ${megabytes(before)} → ${megabytes(after)} MB`,
		strange: "is no JPEG, PNG, WebP or GIF.", broken: "is damaged.", heic: "is HEIC, which this browser cannot open. Export as JPEG.",
		manyPixels: (width, height) => `has ${width} × ${height} pixels, over 16,384 a side or 100 million.`,
		large: (bytes) => `has ${megabytes(bytes)} MB; 10 are the most.`,
		preparing: "Preparing…", cancelling: "Looking whether it was made…",
		uploading: (sent, all) => (sent < all
			? `Uploading ${Math.floor((100 * sent) / all)} % · ${megabytes(sent)} of ${megabytes(all)} MB` : "Checking the photographs…"),
		again: "No good answer; asking again…", stopped: "Stopped. Nothing was made.",
		wait: (label, seconds) => `${label} in ${seconds} s`, made: "is made",
		triedAgain: "is tried again", replaces: "Three new photographs replace all that it had.",
		discard: { title: "Discard what you entered?", text: "Photographs and words will be gone.", yes: "Discard", no: "Keep editing" },
	},
	credits: {
		lead: "Trainings cost credits. What does not work is given back.", see: "See the credits", balance: "Balance", all: "Every change",
		left: (balance) => `${count(balance, "credit")} left`, signed: (amount) => `${amount < 0 ? "−" : "+"}${whole(Math.abs(amount))}`,
		cost: (price, balance) => `Costs ${count(price, "credit")} of ${whole(balance)}.`,
		price: (price, balance) => (price ? `${count(price, "credit")}, enough for ${whole(Math.floor(balance / price))}` : "free"),
		empty: "No changes yet",
		kinds: { grant: "Given by the operator", charge: "Training", refund: "Given back", top_up: "Bought", revoke: "Taken by the operator" },
		told: ({ kind, amount }) => `${words.credits.kinds[kind]}, ${words.credits.signed(amount)}`,
		smart: "Smart Balance", smartLead: "Buys credits before they run out. You pay as agreed.",
		states: { off: () => "Off", active: () => "On", paused: ({ paused_reason: reason }) => `Paused: ${reason}` },
		fields: { threshold: "When fewer are left than", amount: "Buy" }, rule: "Digits alone, from 1 to 1,000,000,000,000.",
		resume: "Resume", turnOff: "Turn off", noScope: "A key with the scope “billing” can change this.",
	},
	time: { justNow: "just now", minutes: (number) => `${number} min ago`, hours: (number) => `${number} h ago` },
	list: {
		q: "Search", status: "Show", sort: "Order", clear: "Clear",
		statuses: { "": "All", completed: "Ready", processing: "Developing", failed: "Did not work" },
		sorts: { "": "Newest first", created_at: "Oldest first", name: "A–Z", "-name": "Z–A" },
		empty: (one) => [`Your first ${one}`, `Three pictures, a name, and your ${one} hangs here to dry.`],
		nothing: (query, state) => `Nothing ${query ? `called “${query}”` : "here"}${state ? ` is marked “${state}”` : ""}`,
		shown: (number, isAll) => `${isAll && number > 1 ? "All " : ""}${number} shown`,
	},
};
