// Finds calls, shapes, error codes and sections by words anywhere in them.
import { announce, h } from "./dom.js";
import { flatten } from "./schema.js";
import { methodNode, sections } from "./views.js";

const resultsMax = 12;

/**
 * Something that can be found.
 * @typedef {{href: string, title: string, kind: string, method?: string, names: string, text: string}} Entry
 */

/**
 * Everything that can be found.
 * @param {import("./model.js").Model} model
 * @returns {Entry[]}
 */
function entries(model) {
  const all = [];
  for (const operation of model.operations) {
    const shapes = [...(operation.body?.contents ?? []), ...operation.responses.flatMap((response) => response.contents)];
    const names = [
      operation.id, operation.path, `${operation.method} ${operation.path}`, ...operation.parameters.map((parameter) => parameter.name),
      ...shapes.flatMap(({ schema }) => [...flatten(schema, model).properties.keys()]),
      ...operation.responses.flatMap((response) => response.codes),
    ];
    all.push(entry(`#/${operation.id}`, operation.summary, "call", names, operation.description, operation.method));
  }
  for (const error of model.errors) all.push(entry(`#/errors/${error.code}`, error.code, "error", [String(error.status)], error.meaning));
  for (const section of sections(model)) all.push(entry(`#/about/${section.id}`, section.title, "guide", [], section.text));
  for (const [name, schema] of Object.entries(model.schemas)) {
    all.push(entry(`#/schemas/${name}`, name, "shape", flatten(schema, model).properties.keys(), schema.description ?? ""));
  }
  return all;
}

const entry = (href, title, kind, names, text, method) =>
  ({ href, title, kind, method, names: [...names].join(" ").toLowerCase(), text: text.toLowerCase() });

/** How well a word fits; 0 where it does not. */
function score({ title, names, text }, word) {
  const name = title.toLowerCase();
  if (name.split(/[^a-z0-9_]+/).includes(word)) return 20;
  if (name.startsWith(word)) return 14;
  if (name.includes(word)) return 10;
  if (` ${names} `.includes(` ${word} `)) return 8;
  if (names.includes(word)) return 5;
  return text.includes(word) ? 2 : 0;
}

/** The entries in which every word is found, the best first. */
function find(all, question) {
  const words = question.toLowerCase().split(/\s+/).filter(Boolean);
  if (!words.length) return [];
  return all.map((one) => ({ one, scores: words.map((word) => score(one, word)) })).filter(({ scores }) => scores.every(Boolean))
    .map(({ one, scores }) => ({ one, sum: scores.reduce((sum, next) => sum + next, one.title.toLowerCase() === question.trim().toLowerCase() ? 20 : 0) })).sort((left, right) => right.sum - left.sum)
    .slice(0, resultsMax).map(({ one }) => one);
}

/**
 * Has a field find things.
 * @param {HTMLInputElement} field
 * @param {HTMLElement} place where results are shown
 * @param {import("./model.js").Model} model
 */
export function addSearch(field, place, model) {
  const all = entries(model);
  const close = () => {
    place.hidden = true;
    place.replaceChildren();
  };
  const links = () => [...place.querySelectorAll("a")];
  const move = (step) => {
    const stops = [field, ...links()];
    stops[(stops.indexOf(document.activeElement) + step + stops.length) % stops.length].focus();
  };
  field.addEventListener("input", () => {
    if (!field.value.trim()) return close();
    const found = find(all, field.value);
    place.replaceChildren(found.length
      ? h("ul", null, found.map((one) => h("li", null, h("a", { href: one.href, click: close }, one.method ? methodNode(one.method) : h("span.kind", null, one.kind), h("span", null, one.title)))))
      : h("p", null, `Nothing has “${field.value.trim()}” in it.`));
    place.hidden = false;
    announce(found.length === 1 ? "1 result" : `${found.length} results`);
  });
  const region = field.closest("[role=search]");
  region.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      move(event.key === "ArrowDown" ? 1 : -1);
    } else if (event.key === "Escape") {
      field.value = "";
      close();
      field.focus();
    } else if (event.key === "Enter" && document.activeElement === field) {
      event.preventDefault();
      links()[0]?.click();
    }
  });
  region.addEventListener("focusout", (event) => { if (!region.contains(event.relatedTarget)) close(); });
  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey) || event.altKey) return;
    event.preventDefault();
    field.focus();
    field.select();
  });
}
