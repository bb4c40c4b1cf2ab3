// The key: in memory or, if its owner says so, in this tab's sessionStorage; in no address, log or message to other tabs.

const storageName = "api-key";
let secret = stored() ?? "";

function stored() {
	try {
		return sessionStorage.getItem(storageName);
	} catch {
		return null;
	}
}

/** The key; empty where nobody has signed in. */
export const key = () => secret;

/** Whether the key will be there after the page is loaded again. */
export const isKept = () => stored() !== null;

/** Takes a key, an empty one to forget it. */
export function setKey(text, isToBeKept) {
	secret = text;
	try {
		if (text && isToBeKept) sessionStorage.setItem(storageName, text);
		else sessionStorage.removeItem(storageName);
	} catch {
		// Storage is closed: memory it is.
	}
}
