// The reader's API key. It is kept in memory or, if the reader says so, in this tab's sessionStorage; it is part of no address and of no link.

const storageName = "api-key";
const prefix = "pkz_";
const listeners = [];
let secret = stored() ?? "";

function stored() {
  try {
    return sessionStorage.getItem(storageName);
  } catch {
    return null;
  }
}

/** The key, empty where none was entered. */
export const key = () => secret;

/** Whether the key will be there after the page is loaded again. */
export const isKept = () => stored() !== null;

/**
 * What is wrong with a text as a key; nothing if it may be one.
 * @param {string} text
 */
export function keyProblem(text) {
  if (!text) return "Enter a key.";
  if (!text.startsWith(prefix)) return `A key begins with ${prefix}.`;
  if (/[^!-~]/.test(text)) return "A key has no spaces and no special characters.";
  return null;
}

/**
 * Takes a key, an empty one to forget it.
 * @param {string} text
 * @param {boolean} isToBeKept whether it should survive that the page is loaded again
 */
export function setKey(text, isToBeKept) {
  secret = text;
  try {
    if (text && isToBeKept) sessionStorage.setItem(storageName, text);
    else sessionStorage.removeItem(storageName);
  } catch {
    // Storage is closed to this page: memory it is.
  }
  for (const listener of listeners) listener();
}

/**
 * Calls a function whenever the key changes.
 * @param {() => void} listener
 */
export const onKeyChange = (listener) => listeners.push(listener);

/** The key as it may be shown: enough to tell it from others. */
export const keyName = () => `${secret.slice(0, 8)}…`;
