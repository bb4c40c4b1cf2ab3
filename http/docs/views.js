// What the page shows under each of its addresses.
import { codeBlock, pretty } from "./code.js";
import { append, copyButton, h } from "./dom.js";
import { key } from "./session.js";
import { firstSentence, inline, markdown, slug } from "./markdown.js";
import { headerList, members, parameterList } from "./members.js";
import { base } from "./request.js";
import { tryIt } from "./try.js";

const reasons = {
  200: "OK", 201: "Created", 202: "Accepted", 204: "No Content", 206: "Partial Content", 304: "Not Modified", 400: "Bad Request", 401: "Unauthorized",
  402: "Payment Required", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 409: "Conflict", 412: "Precondition Failed",
  413: "Content Too Large", 415: "Unsupported Media Type", 416: "Range Not Satisfiable", 422: "Unprocessable Content", 429: "Too Many Requests",
  499: "Cancelled", 500: "Internal Server Error", 503: "Service Unavailable", 504: "Gateway Timeout",
};

/** How descriptions are read: code that names something leads there. */
const contextOf = (model) => ({ linkOf: (code) => model.linkOf(code) });

/**
 * A view: what stands in the page, and its title.
 * @typedef {{title: string, nodes: Node[]}} View
 */

/**
 * What is shown under an address.
 * @param {string} path what follows "#/", in parts
 * @param {import("./model.js").Model} model
 * @returns {View}
 */
export function viewOf([first = "", second], model) {
  if (first === "" || first === "about") return introduction(model);
  if (first === "errors") return errors(model);
  if (first === "schemas" && second && Object.hasOwn(model.schemas, second)) return shape(second, model);
  if (first === "schemas" && !second) return shapes(model);
  if (model.byID.has(first)) return call(model.byID.get(first), model);
  return { title: "Nothing here", nodes: [h("h1", { tabindex: -1 }, "Nothing here"), h("p", null, "This address leads to no call, shape or error. ", h("a", { href: "#/" }, "To the beginning"))] };
}

/** A method, told by colour and by word. */
export const methodNode = (method) => h(`span.method.${method.toLowerCase()}`, null, method);

/**
 * The sections of the introduction.
 * @param {import("./model.js").Model} model
 * @returns {Array<{id: string, title: string, text: string}>}
 */
export function sections(model) {
  const parts = (model.info.description ?? "").split(/^## /m).slice(1);
  return parts.map((part) => {
    const [title, ...lines] = part.split("\n");
    return { id: slug(title), title, text: lines.join(" ") };
  });
}

function introduction(model) {
  const { info } = model;
  const context = {
    ...contextOf(model),
    fill: (text) => filled(text),
    headingLink: (id) => `#/about/${id}`,
  };
  const body = h("div.prose", null, markdown(info.description, context));
  const head = h("header", null, h("p.kicker", null, `Version ${info.version}`), h("h1", { tabindex: -1 }, info.title, " API"), h("p.lead", null, info.summary));
  const address = h("div.facts", null,
    h("div", null, h("span.quiet", null, "Address"), h("code", null, base), copyButton(() => base, "address")),
    h("div", null, h("span.quiet", null, "Document"), h("a", { href: `${base}/openapi.yaml` }, "openapi.yaml"), h("a", { href: `${base}/openapi.json` }, "openapi.json")));
  const calls = h("section.calls", { "aria-labelledby": "all-calls" }, h("h2", { id: "all-calls", tabindex: -1 }, "All calls"),
    model.tags.map((tag) => h("div.group", null, h("h3", null, tag.name), h("p.quiet", null, inline(tag.description ?? "", contextOf(model))),
      h("ul", null, tag.operations.map((operation) => h("li", null, h("a", { href: `#/${operation.id}` }, methodNode(operation.method),
        h("code", null, operation.path), h("span", null, operation.summary))))))));
  return { title: "Introduction", nodes: [head, address, body, calls] };
}

/** The commands of the introduction for this service and, once it is known, for this reader. */
function filled(text) {
  const withAddress = text.replaceAll("$HOST", base);
  return key() ? withAddress.replaceAll("$KEY", key()) : withAddress;
}

function call(operation, model) {
  const context = contextOf(model);
  const head = h("header", null,
    h("p.kicker", null, operation.tag),
    h("h1", { tabindex: -1 }, operation.summary),
    h("p.address", null, methodNode(operation.method), h("code", null, pathNodes(operation.path)), copyButton(() => `${base}${operation.path}`, "address")),
    h("p.facts-line", null,
      operation.needsKey ? (operation.scope ? ["Needs a key of scope ", h("code", null, operation.scope)] : "Needs a key, of any scope") : "Needs no key",
      h("a.jump", { href: "#try-it", click: jump }, "Try it")),
    markdown(operation.description, context));
  const reading = h("div.reading", null, takes(operation, model, context), answers(operation, model, context), failures(operation, model, context));
  const doing = h("div.doing", null, tryIt(operation, model), exampleAnswers(operation));
  return { title: operation.summary, nodes: [h("article.call", null, head, reading, measured(doing))] };
}

/** Tells the style sheet how tall an element is. */
function measured(element) {
  new ResizeObserver(() => element.style.setProperty("--height", `${element.offsetHeight}px`)).observe(element);
  return element;
}

/** To another part of the same view: the address stays, because it names the view. */
function jump(event) {
  event.preventDefault();
  const goal = document.getElementById(event.currentTarget.getAttribute("href").slice(1));
  goal?.scrollIntoView();
  goal?.focus({ preventScroll: true });
}

/** A path may be broken at its slashes, where it is longer than a line. */
const pathNodes = (path) => path.split(/(?=\/)/).flatMap((part) => [h("wbr"), part]);

function takes(operation, model, context) {
  const kinds = [["path", "In the path"], ["query", "In the query"], ["header", "In headers"]];
  const lists = kinds.map(([kind, title]) => [title, operation.parameters.filter((parameter) => parameter.in === kind)]).filter(([, list]) => list.length);
  const bodies = operation.body?.contents ?? [];
  if (!lists.length && !bodies.length) return null;
  return h("section", { "aria-labelledby": "takes" }, h("h2", { id: "takes" }, "What it takes"),
    lists.map(([title, list]) => [h("h3", null, title), parameterList(list, model, context)]),
    operation.body && [
      h("h3", null, "In the body"), markdown(operation.body.description, context),
      bodies.map(({ type, schema }, index) => bodies.length === 1
        ? [h("p.quiet", null, h("code", null, type)), members(schema, model, context)]
        : h("details.nested", { open: index === 0 }, h("summary", null, "As ", h("code", null, type)), members(schema, model, context))),
    ]);
}

function answers(operation, model, context) {
  const good = operation.responses.filter((response) => response.status < 400);
  return h("section", { "aria-labelledby": "answers" }, h("h2", { id: "answers" }, "What it answers"), good.map((response) => h("div.answer", null,
    h("h3", null, h("span.code-number.ok", null, response.status), ` ${reasons[response.status] ?? ""}`),
    markdown(response.description, context),
    response.contents.length > 0 && bodyOfAnswer(response, model, context),
    response.headers.length > 0 && h("details.nested", null, h("summary", null, "Headers ", h("span.quiet", null, `(${response.headers.map((header) => header.name).join(", ")})`)),
      headerList(response.headers, model, context)))));
}

function bodyOfAnswer(response, model, context) {
  const [content] = response.contents;
  if (response.contents.length > 1 || !/json/.test(content.type)) {
    return h("p.quiet", null, response.contents.map(({ type }, index) => [index ? ", " : "", h("code", null, type)]));
  }
  return h("details.nested", { open: response.status < 300 }, h("summary", null, "Body ", h("code", null, content.type)),
    members(content.schema, model, context, { saysRequired: false, example: content.examples[0]?.value }));
}

function failures(operation, model, context) {
  const bad = operation.responses.filter((response) => response.status >= 400);
  if (!bad.length) return null;
  return h("section", { "aria-labelledby": "failures" }, h("h2", { id: "failures" }, "What can go wrong"), h("ul.failures", null, bad.map((response) => h("li", null,
    h("h3", null, h("span.code-number.bad", null, response.status), ` ${reasons[response.status] ?? ""}`),
    markdown(response.description, context),
    h("ul.codes", null, response.codes.map((code) => {
      const known = model.errors.find((error) => error.code === code);
      return h("li", null, h("a", { href: `#/errors/${code}` }, h("code", null, code)), known && h("span", null, " ", inline(known.meaning, context)));
    }))))));
}

/** The examples of all answers, one at a time. */
function exampleAnswers(operation) {
  const all = operation.responses.flatMap((response) => response.contents.flatMap(({ examples }) => examples.map((example) => ({ status: response.status, example }))));
  if (!all.length) return null;
  const place = h("div");
  const show = (index) => place.replaceChildren(codeBlock(pretty(all[index].example.value), { language: "json", label: "example of an answer" }));
  show(0);
  const choice = h("select", { "aria-label": "Which answer", change: (event) => show(Number(event.target.value)) }, all.map(({ status, example }, index) =>
    h("option", { value: index }, `${status} ${example.summary ?? example.value?.error?.code ?? reasons[status] ?? ""}`)));
  return h("section", { "aria-labelledby": "examples" }, h("div.bar", null, h("h2", { id: "examples" }, "Example answers"), choice), place);
}

function errors(model) {
  const context = contextOf(model);
  const statuses = [...new Set(model.errors.map((error) => error.status))].sort((one, other) => one - other);
  const rows = (status) => model.errors.filter((error) => error.status === status).map((error) => {
    const raising = model.raising(error.code);
    return h("li.error", { id: `error-${error.code}`, tabindex: -1 },
      h("h3", null, h("code", null, error.code), h("a.anchor", { href: `#/errors/${error.code}`, "aria-label": `Link to ${error.code}` }, "#")),
      h("p", null, inline(error.meaning ?? "", context)),
      error.remedy && h("p", null, inline(error.remedy, context)),
      h("p.quiet", null, error.retryable ? "The same request may succeed later." : "The same request would fail again."),
      raising.length > 0 && h("details", null, h("summary", null, `Calls that answer it (${raising.length})`),
        h("ul", null, raising.map((operation) => h("li", null, h("a", { href: `#/${operation.id}` }, operation.summary))))));
  });
  return {
    title: "Errors",
    nodes: [
      h("header", null, h("h1", { tabindex: -1 }, "Errors"), h("p.lead", null, "Every code that an answer can carry, by status. Branch on the code; the message is for people.")),
      codeBlock(pretty(model.exampleOf("Error")), { language: "json", label: "shape of an error" }),
      ...statuses.map((status) => h("section", null, h("h2", null, h("span.code-number.bad", null, status), ` ${reasons[status] ?? ""}`), h("ul.errors", null, rows(status)))),
    ],
  };
}

function shapes(model) {
  return {
    title: "Shapes",
    nodes: [
      h("header", null, h("h1", { tabindex: -1 }, "Shapes"), h("p.lead", null, "What requests and answers are made of.")),
      h("ul.shapes", null, Object.entries(model.schemas).map(([name, schema]) => h("li", null, h("a", { href: `#/schemas/${name}` }, name),
        h("p.quiet", null, inline(firstSentence(schema.description ?? ""), contextOf(model)))))),
    ],
  };
}

function shape(name, model) {
  const context = contextOf(model);
  const schema = model.schemas[name];
  const using = model.using(name);
  const example = model.exampleOf(name);
  const article = h("article.call", null,
    h("header", null, h("p.kicker", null, "Shape"), h("h1", { tabindex: -1 }, name), markdown(schema.description, context)),
    h("div.reading", null, h("section", { "aria-labelledby": "members" }, h("h2", { id: "members" }, "What it is"), members(schema, model, context, { example })),
      using.length > 0 && h("section", { "aria-labelledby": "used" }, h("h2", { id: "used" }, "Where it is used"),
        h("ul.plain", null, using.map((operation) => h("li", null, h("a", { href: `#/${operation.id}` }, operation.summary)))))),
    measured(h("div.doing", null, h("section", { "aria-labelledby": "example" }, h("h2", { id: "example" }, "Example"),
      codeBlock(pretty(example), { language: "json", label: `example of ${name}` })))));
  return { title: name, nodes: [article] };
}

/**
 * The list of everything, which stands beside each view.
 * @param {import("./model.js").Model} model
 * @returns {DocumentFragment}
 */
export function contents(model) {
  const nodes = document.createDocumentFragment();
  const group = (title, links) => append(nodes, [h("h2", null, title), h("ul", null, links.map(([href, ...children]) => h("li", null, h("a", { href }, children))))]);
  group("Introduction", [["#/", "Overview"], ...sections(model).map(({ id, title }) => [`#/about/${id}`, title])]);
  for (const tag of model.tags) {
    group(tag.name, tag.operations.map((operation) => [`#/${operation.id}`, methodNode(operation.method), h("span", null, operation.summary)]));
  }
  group("Reference", [["#/errors", "Errors"], ["#/schemas", "Shapes"]]);
  return nodes;
}
