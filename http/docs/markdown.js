// The part of Markdown that the document is written in, as elements: headings, paragraphs, lists, fenced code; code, strong, emphasis, links.
import { codeBlock } from "./code.js";
import { append, h } from "./dom.js";

/** What a text is called within an address: letters, digits and dashes. */
export const slug = (text) => text.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "");

const inlinePattern = /`([^`]+)`|\*\*([^*]+)\*\*|\*([^*\s][^*]*)\*|\[([^\]]+)\]\(((?:https:\/\/|#\/)[^)\s]+)\)/g;

/**
 * What a reader of Markdown needs to know of its surroundings.
 * @typedef {{linkOf?: (code: string) => string|null, fill?: (code: string) => string, headingLink?: (id: string) => string, level?: number}} Context
 */

/**
 * The inline parts of a text.
 * @param {string} text
 * @param {Context} [context]
 * @returns {DocumentFragment}
 */
export function inline(text, context = {}) {
  const nodes = document.createDocumentFragment();
  let end = 0;
  for (const match of text.matchAll(inlinePattern)) {
    append(nodes, text.slice(end, match.index));
    end = match.index + match[0].length;
    const [, code, strong, emphasis, label, address] = match;
    if (code) append(nodes, codeNode(code, context));
    else if (strong) append(nodes, h("strong", null, inline(strong, context)));
    else if (emphasis) append(nodes, h("em", null, inline(emphasis, context)));
    else append(nodes, h("a", { href: address, rel: "noreferrer noopener" }, inline(label, context)));
  }
  append(nodes, text.slice(end));
  return nodes;
}

/** Code that names a call, a shape or an error leads there. */
function codeNode(code, context) {
  const link = context.linkOf?.(code);
  const node = h("code", null, code);
  return link ? h("a", { href: link }, node) : node;
}

/**
 * A text of several paragraphs.
 * @param {string} text
 * @param {Context} [context]
 * @returns {DocumentFragment}
 */
export function markdown(text, context = {}) {
  const nodes = document.createDocumentFragment();
  const lines = (text ?? "").split("\n");
  let index = 0;
  while (index < lines.length) {
    const line = lines[index];
    const rule = blocks.find(({ pattern }) => pattern.test(line));
    if (!line.trim()) index += 1;
    else if (rule) index = rule.read(nodes, lines, index, context);
    else index = readParagraph(nodes, lines, index, context);
  }
  return nodes;
}

/**
 * What a text begins with.
 * @param {string} text
 */
export const firstSentence = (text) => text.replaceAll("\n", " ").match(/^.*?[.](?= |$)/)?.[0] ?? text;

const blocks = [
  { pattern: /^```/, read: readFence },
  { pattern: /^#{1,4} /, read: readHeading },
  { pattern: /^[-*] /, read: (...place) => readList("ul", /^[-*] /, ...place) },
  { pattern: /^\d+\. /, read: (...place) => readList("ol", /^\d+\. /, ...place) },
];

function readFence(nodes, lines, start, context) {
  const language = lines[start].slice(3).trim();
  let end = start + 1;
  while (end < lines.length && !lines[end].startsWith("```")) end += 1;
  const text = lines.slice(start + 1, end).join("\n");
  const source = context.fill && language === "sh" ? () => context.fill(text) : text;
  append(nodes, codeBlock(source, { language, label: language === "sh" ? "commands" : "example" }));
  return end + 1;
}

function readHeading(nodes, lines, start, context) {
  const [marks] = lines[start].split(" ");
  const text = lines[start].slice(marks.length + 1).trim();
  const id = slug(text);
  const link = context.headingLink?.(id);
  append(nodes, h(`h${Math.min(6, marks.length + (context.level ?? 0))}`, { id, tabindex: -1 },
    inline(text, context), link && h("a.anchor", { href: link, "aria-label": `Link to ${text}` }, "#")));
  return start + 1;
}

function readList(tag, marker, nodes, lines, start, context) {
  const list = h(tag);
  let index = start;
  while (index < lines.length && marker.test(lines[index])) {
    const item = [lines[index].replace(marker, "")];
    index += 1;
    while (index < lines.length && /^\s+\S/.test(lines[index])) {
      item.push(lines[index].trim());
      index += 1;
    }
    append(list, h("li", null, inline(item.join(" "), context)));
    // A blank line between two entries does not end the list.
    if (!lines[index]?.trim() && marker.test(lines[index + 1] ?? "")) index += 1;
  }
  append(nodes, list);
  return index;
}

function readParagraph(nodes, lines, start, context) {
  let end = start;
  while (end < lines.length && lines[end].trim() && !(end > start && blocks.some(({ pattern }) => pattern.test(lines[end])))) end += 1;
  append(nodes, h("p", null, inline(lines.slice(start, end).map((line) => line.trim()).join(" "), context)));
  return end;
}
