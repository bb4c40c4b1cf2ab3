// "Try it": a form for everything that a call takes, the lines that follow from it, and the answer.
import { codeBlock, pretty } from "./code.js";
import { announce, append, h, uniqueID } from "./dom.js";
import { key } from "./session.js";
import { firstSentence, inline } from "./markdown.js";
import { build, curl, script, send, slot } from "./request.js";
import { bytesWords, exampleOf, flatten, typeWords } from "./schema.js";

const shownCharactersMax = 200_000;
const unfoldedMax = 2;
/** What was entered for each call, as long as the page is open. */
const entered = new Map();

/**
 * What is entered for a call: what the reader left there, or what the document gives as an example.
 * @param {import("./model.js").Operation} operation
 * @returns {import("./request.js").Values}
 */
function valuesOf(operation, model) {
  if (!entered.has(operation.id)) {
    const content = operation.body?.contents[0];
    entered.set(operation.id, {
      parameters: {},
      type: content?.type ?? "",
      json: content && content.type !== "multipart/form-data" ? pretty(exampleBody(content, model)) : "",
      form: {},
    });
  }
  return entered.get(operation.id);
}

const exampleBody = (content, model) => content.examples[0]?.value ?? exampleOf(content.schema, model);

/**
 * The parts of a call's page on which the reader acts.
 * @param {import("./model.js").Operation} operation
 * @param {import("./model.js").Model} model
 * @returns {HTMLElement[]}
 */
export function tryIt(operation, model) {
  const values = valuesOf(operation, model);
  const lines = requestLines(operation, values, model);
  const outcome = h("div.outcome", { "aria-live": "polite" });
  const form = h("form.try", { "aria-label": `Try it: ${operation.summary}`, novalidate: true });
  const changed = () => lines.refresh();
  append(form, [
    parameterFields(operation, values, model, changed),
    operation.body && bodyFields(operation, values, model, changed),
    sendButtons(operation, values, form, outcome, model),
  ]);
  return [
    lines.element,
    h("section.card", { "aria-labelledby": "try-it" }, h("h2", { id: "try-it", tabindex: -1 }, "Try it"),
      h("p.quiet", null, "Sends the request from this page, to this service. Nothing is sent before you press the button."), form, outcome),
  ];
}

/** The request as a command and as a script, side by side behind two buttons. */
function requestLines(operation, values, model) {
  const current = () => build(operation, exampleValues(operation, values, model));
  const writers = { curl: { language: "sh", write: () => curl(current()) }, JavaScript: { language: "js", write: () => script(current()) } };
  const place = h("div");
  const buttons = Object.keys(writers).map((name) => h("button.tab", { type: "button", "aria-pressed": "false", click: () => show(name) }, name));
  let block;
  function show(name) {
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.textContent === name));
    block = codeBlock(writers[name].write, { language: writers[name].language, label: `request as ${name}`, kind: "film" });
    place.replaceChildren(block);
  }
  show("curl");
  const element = h("section.request", { "aria-labelledby": "request-lines" },
    h("div.bar", null, h("h2", { id: "request-lines" }, "Request"), h("div.tabs", { role: "group", "aria-label": "Language" }, buttons)), place);
  return { element, refresh: () => block.refresh() };
}

/** Values with an example in the place of a form that nothing was put into: the lines shall show how it is done. */
function exampleValues(operation, values, model) {
  if (values.type !== "multipart/form-data" || Object.values(values.form).some((value) => value.length)) return values;
  const { schema } = operation.body.contents.find((content) => content.type === values.type);
  const form = {};
  const flat = flatten(schema, model);
  for (const name of flat.required) {
    const part = flatten(flat.properties.get(name), model);
    form[name] = isFiles(part, model) ? ["front.jpg", "left.png", "right.webp"].slice(0, part.maxItems ?? 1).map((file) => ({ name: file })) : exampleOf(part, model);
  }
  return { ...values, form };
}

function isFiles(part, model) {
  const item = part.items ? flatten(part.items, model) : part;
  return ["image-file", "binary"].includes(item.format) || item.contentMediaType === "application/octet-stream";
}

/** A control with its label and its note. */
function field(label, control, note) {
  const id = uniqueID("field");
  control.id = id;
  const noteID = note ? `${id}-note` : null;
  if (noteID) control.setAttribute("aria-describedby", noteID);
  return h("div.field", null, h("label", { for: id }, label), control, note && h("p.quiet", { id: noteID }, note));
}

/** The fields of parameters; many that may be left out are folded away. */
function parameterFields(operation, values, model, changed) {
  const node = (parameter) => parameterField(parameter, values, model, changed);
  const required = operation.parameters.filter((parameter) => parameter.required);
  const optional = operation.parameters.filter((parameter) => !parameter.required);
  if (optional.length <= unfoldedMax) return operation.parameters.map(node);
  const isUsed = optional.some((parameter) => values.parameters[slot(parameter)]);
  return [required.map(node), h("details.more", { open: isUsed }, h("summary", null, `Optional parameters (${optional.length})`), optional.map(node))];
}

function parameterField(parameter, values, model, changed) {
  const name = slot(parameter);
  const flat = flatten(parameter.schema, model);
  const options = flat.enum ?? (flat.types.includes("boolean") ? [true, false] : null);
  const example = parameter.example ?? flat.examples?.[0];
  const control = options
    ? h("select", null, h("option", { value: "" }, parameter.required ? "Choose" : "not sent"), options.map((option) => h("option", { value: option }, option)))
    : h("input", { type: "text", autocomplete: "off", spellcheck: "false", autocapitalize: "none", placeholder: placeholder(example) });
  control.name = name;
  control.value = values.parameters[name] ?? "";
  if (parameter.required) control.setAttribute("aria-required", "true");
  control.addEventListener("input", () => {
    values.parameters[name] = control.value;
    control.removeAttribute("aria-invalid");
    changed();
  });
  return field([h("code", null, parameter.name), " ", h("span.quiet", null, parameter.in === "path" ? "path" : parameter.in)], control,
    parameter.style === "deepObject" ? "key=value, several with commas between." : null);
}

function placeholder(example) {
  if (example === undefined) return null;
  return typeof example === "object" ? Object.entries(example).map((entry) => entry.join("=")).join(", ") : String(example);
}

function bodyFields(operation, values, model, changed) {
  const place = h("div");
  const { contents } = operation.body;
  const show = () => {
    const content = contents.find(({ type }) => type === values.type);
    place.replaceChildren(...(content.type === "multipart/form-data" ? formFields(content, values, model, changed) : [jsonField(content, values, model, changed)]));
    changed();
  };
  const choice = contents.length > 1 && h("select", { change: (event) => {
    values.type = event.target.value;
    const content = contents.find(({ type }) => type === values.type);
    if (!values.json && content.type !== "multipart/form-data") values.json = pretty(exampleBody(content, model));
    show();
  } }, contents.map(({ type }) => h("option", { value: type, selected: type === values.type }, type)));
  queueMicrotask(show);
  return [choice && field("Body as", choice), place];
}

function jsonField(content, values, model, changed) {
  const area = h("textarea", { rows: Math.min(16, Math.max(4, values.json.split("\n").length)), spellcheck: "false", autocapitalize: "none", name: "body" });
  area.value = values.json;
  area.addEventListener("input", () => {
    values.json = area.value;
    changed();
  });
  const examples = content.examples.length > 1 && h("div.examples", { role: "group", "aria-label": "Examples" }, h("span.quiet", null, "Fill in: "),
    content.examples.map((example) => h("button.link", { type: "button", click: () => {
      area.value = pretty(example.value);
      area.dispatchEvent(new Event("input"));
    } }, example.summary ?? example.name)));
  return h("div", null, field(["Body ", h("span.quiet", null, content.type)], area), examples);
}

function formFields(content, values, model, changed) {
  const flat = flatten(content.schema, model);
  return [...flat.properties].map(([name, schema]) => {
    const part = flatten(schema, model);
    const note = flat.required.has(name) ? null : "optional";
    const control = isFiles(part, model)
      ? h("input", { type: "file", multiple: part.items ? true : null, accept: "image/jpeg,image/png,image/webp,image/gif" })
      : h("input", { type: "text", autocomplete: "off", placeholder: placeholder(exampleOf(schema, model)) });
    control.name = name;
    if (control.type === "text") control.value = values.form[name] ?? "";
    control.addEventListener(control.type === "file" ? "change" : "input", () => {
      values.form[name] = control.type === "file" ? [...control.files] : control.value;
      changed();
    });
    const kept = control.type === "file" && values.form[name]?.length ? `${values.form[name].length} chosen before` : null;
    return field([h("code", null, name), " ", h("span.quiet", null, typeWords(schema, model))], control, kept ?? note);
  });
}

function sendButtons(operation, values, form, outcome, model) {
  const isDestructive = operation.method === "DELETE";
  const button = h("button.primary", { type: "submit" }, isDestructive ? "Delete…" : `Send ${operation.method}`);
  const stop = h("button", { type: "button", hidden: true }, "Stop");
  const question = h("div.question", { hidden: true, role: "group", "aria-label": "Confirm" },
    h("p", null, "This deletes for good."), h("button.danger", { type: "button" }, "Delete it"), h("button", { type: "button" }, "Keep it"));
  const [, yes, no] = question.children;
  const hint = h("p.quiet.hint", null, "You have entered no key: the answer will be 401. ",
    h("button.link", { type: "button", click: () => document.dispatchEvent(new Event("enterkey")) }, "Enter your key"));
  const ask = (isAsking) => {
    question.hidden = !isAsking;
    button.hidden = isAsking;
    (isAsking ? no : button).focus();
  };
  const go = async () => {
    const controller = new AbortController();
    const halt = () => controller.abort();
    stop.addEventListener("click", halt);
    button.disabled = true;
    stop.hidden = false;
    await perform(operation, values, outcome, model, controller.signal);
    stop.removeEventListener("click", halt);
    button.disabled = false;
    stop.hidden = true;
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!isComplete(form)) return;
    if (isDestructive) ask(true);
    else go();
  });
  no.addEventListener("click", () => ask(false));
  yes.addEventListener("click", () => {
    ask(false);
    go();
  });
  question.addEventListener("keydown", (event) => { if (event.key === "Escape") ask(false); });
  hint.dataset.live = "";
  hint.refresh = () => { hint.hidden = !operation.needsKey || key() !== ""; };
  hint.refresh();
  return [hint, h("div.buttons", null, button, stop), question];
}

/** Whether everything is there without which there is no address; the first that is missing is pointed at. */
function isComplete(form) {
  const missing = [...form.elements].filter((control) => control.name?.startsWith("path ") && !control.value.trim());
  for (const control of missing) control.setAttribute("aria-invalid", "true");
  missing[0]?.focus();
  if (missing.length) announce(`Fill in ${missing.map((control) => control.name.slice("path ".length)).join(", ")}`);
  return missing.length === 0;
}

async function perform(operation, values, outcome, model, signal) {
  outcome.replaceChildren(h("p.quiet", null, "Waiting for the answer…"));
  try {
    const { answer, blob, milliseconds } = await send(build(operation, values), signal);
    outcome.replaceChildren(...await answerNodes(operation, answer, blob, milliseconds, model));
  } catch (error) {
    outcome.replaceChildren(h("p.problem", null, signal.aborted ? "Stopped before there was an answer." : `There was no answer: ${error.message}`));
  }
}

async function answerNodes(operation, answer, blob, milliseconds, model) {
  const documented = operation.responses.find((response) => response.status === answer.status);
  const isGood = answer.status < 400;
  const type = answer.headers.get("Content-Type") ?? "";
  const body = await bodyNode(blob, type);
  return [
    h("p.status", null, h(`strong.${isGood ? "ok" : "bad"}`, null, `${answer.status} ${answer.statusText}`.trim()),
      h("span.quiet", null, ` ${Math.round(milliseconds)} ms · ${bytesWords(blob.size)}`)),
    documented ? h("p.quiet", null, inline(firstSentence(documented.description))) : null,
    body.node,
    h("details", null, h("summary", null, "Headers"),
      codeBlock([...answer.headers].map(([name, value]) => `${name}: ${value}`).join("\n"), { label: "headers of the answer" })),
    nextCalls(documented, body.json, answer.headers, model),
  ].filter(Boolean);
}

async function bodyNode(blob, type) {
  if (blob.size === 0) return { node: h("p.quiet", null, "No body.") };
  if (/^image\/(jpeg|png|webp|gif)/.test(type)) {
    const image = h("img", { alt: "The image of the answer" });
    image.addEventListener("load", () => URL.revokeObjectURL(image.src));
    image.src = URL.createObjectURL(blob);
    return { node: image };
  }
  const text = await blob.text();
  const isCut = text.length > shownCharactersMax;
  let json;
  try {
    json = JSON.parse(text);
  } catch {
    json = undefined;
  }
  const shown = (json === undefined ? text : pretty(json)).slice(0, shownCharactersMax);
  return {
    json,
    node: h("div", null, codeBlock(shown, { language: json === undefined ? "" : "json", label: "body of the answer", hasLinks: true }),
      isCut && h("p.quiet", null, "The rest is not shown.")),
  };
}

/** What the document says can be called next, with what this answer has for it. */
function nextCalls(response, json, headers, model) {
  const links = (response?.links ?? []).map((link) => {
    const operation = model.byID.get(link.operationId);
    const found = Object.entries(link.parameters ?? {}).map(([name, expression]) => [name, evaluate(expression, json, headers)]);
    return operation && found.every(([, value]) => value !== undefined && value !== null) ? { operation, found } : null;
  }).filter(Boolean);
  if (!links.length) return null;
  return h("p.next", null, "Next: ", links.map(({ operation, found }) => {
    const names = found.map(([name]) => name).filter((name) => !["id"].includes(name));
    return [h("a", { href: `#/${operation.id}`, click: () => {
      const { parameters } = valuesOf(operation, model);
      for (const [name, value] of found) {
        const parameter = operation.parameters.find((one) => one.name === name);
        if (parameter) parameters[slot(parameter)] = String(value);
      }
    } }, operation.summary, names.length ? ` with ${names.join(", ")}` : ""), " "];
  }));
}

/** A runtime expression of OpenAPI, as far as links use them. */
function evaluate(expression, json, headers) {
  const [, header] = expression.match(/^\$response\.header\.(.+)$/) ?? [];
  if (header) return headers.get(header);
  const [, pointer] = expression.match(/^\$response\.body#\/(.+)$/) ?? [];
  return pointer?.split("/").reduce((at, step) => at?.[step], json);
}
