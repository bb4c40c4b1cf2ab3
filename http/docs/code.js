// Blocks of code: coloured a little, copied with one click, and written anew when the reader's key changes.
import { append, copyButton, h } from "./dom.js";

const jsonPattern = /("(?:[^"\\]|\\.)*")(\s*:)?|\b(?:true|false|null)\b|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
const addressPattern = /^https?:\/\/\S+$/;

/**
 * JSON as nodes, names apart from values; addresses as links where that is asked for.
 * @param {string} text
 * @param {boolean} hasLinks
 * @returns {DocumentFragment}
 */
function jsonNodes(text, hasLinks) {
  const nodes = document.createDocumentFragment();
  let end = 0;
  for (const match of text.matchAll(jsonPattern)) {
    append(nodes, text.slice(end, match.index));
    end = match.index + match[0].length;
    const [whole, string, colon] = match;
    if (!string) append(nodes, h("span.literal", null, whole));
    else if (colon !== undefined) append(nodes, [h("span.name", null, string), colon]);
    else append(nodes, h("span.string", null, hasLinks ? linked(string) : string));
  }
  append(nodes, text.slice(end));
  return nodes;
}

function linked(string) {
  const address = string.slice(1, -1);
  if (!addressPattern.test(address)) return string;
  return ['"', h("a", { href: address, target: "_blank", rel: "noreferrer noopener" }, address), '"'];
}

/** Shell lines: what stands in quotes, apart from the rest. */
function shellNodes(text) {
  const nodes = document.createDocumentFragment();
  for (const part of text.split(/('[^']*'|"[^"]*")/)) append(nodes, /^['"]/.test(part) ? h("span.string", null, part) : part);
  return nodes;
}

/**
 * A value as JSON for people.
 * @param {unknown} value
 */
export const pretty = (value) => JSON.stringify(value, null, 2);

/**
 * A block of code.
 * @param {string|(() => string)} source a function is asked again whenever the key changes
 * @param {{language?: string, label: string, hasLinks?: boolean, kind?: string}} options
 * @returns {HTMLElement}
 */
export function codeBlock(source, { language = "", label, hasLinks = false, kind = "" }) {
  const text = () => (typeof source === "function" ? source() : source);
  const code = h("code");
  const render = () => {
    const now = text();
    const isJSON = language === "json";
    code.replaceChildren(isJSON ? jsonNodes(now, hasLinks) : language === "sh" || language === "js" ? shellNodes(now) : now);
  };
  render();
  const pre = h("pre", { role: "group", "aria-label": label }, code);
  // Who has no mouse scrolls it by its focus; what does not scroll is no stop for the Tab key.
  new ResizeObserver(() => {
    if (pre.scrollHeight > pre.clientHeight) pre.tabIndex = 0;
    else pre.removeAttribute("tabindex");
  }).observe(pre);
  const block = h(`div.code${language ? `.${language}` : ""}${kind ? `.${kind}` : ""}`, null, pre, copyButton(text, label));
  if (typeof source === "function") {
    block.dataset.live = "";
    block.refresh = render;
  }
  return block;
}

/** Writes every block anew that depends on what the reader entered. */
export function refreshCode() {
  for (const block of document.querySelectorAll("[data-live]")) block.refresh();
}
