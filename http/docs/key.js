// The reader's API key as the page shows it, and who is told of changes; where it is kept, session.js knows.
import { key, setKey as keepKey } from "./session.js";

const prefix = "pkz_";
const listeners = [];

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
  keepKey(text, isToBeKept);
  for (const listener of listeners) listener();
}

/**
 * Calls a function whenever the key changes.
 * @param {() => void} listener
 */
export const onKeyChange = (listener) => listeners.push(listener);

/** The key as it may be shown: enough to tell it from others. */
export const keyName = () => `${key().slice(0, 8)}…`;
