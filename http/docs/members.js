// Members of a shape, parameters and headers: what each is called, what it may be, and what it is for.
import { h } from "./dom.js";
import { inline, markdown } from "./markdown.js";
import { flatten, rules, typeWords } from "./schema.js";

const depthMax = 4;

/**
 * The name of a type, as a link where it is a shape that has more to say.
 */
function typeNode(schema, model) {
  const words = typeWords(schema, model);
  const name = shapeName(schema, model);
  if (!name) return h("span.type", null, words);
  return h("span.type", null, words, " ", h("a", { href: `#/schemas/${name}`, "aria-label": `the shape ${name}` }, name));
}

/** The shape that a member is or holds, if it has a name. */
function shapeName(schema, model) {
  const own = model.nameOf(schema);
  if (own) return own;
  const parts = schema.oneOf ?? schema.anyOf ?? [];
  const named = parts.map((part) => model.nameOf(part)).filter(Boolean);
  if (named.length === 1) return named[0];
  return schema.items ? model.nameOf(schema.items) : null;
}

function ruleNodes(schema, model) {
  const said = rules(schema, model);
  const flat = flatten(schema, model);
  const items = flat.items ? rules(flat.items, model).map((rule) => ["each ", ...rule]) : [];
  const all = [...said, ...items];
  if (!all.length) return null;
  return h("ul.rules", null, all.map((rule) => h("li", null, rule.map((part) => (typeof part === "string" ? part : h("code", null, part.code))))));
}

/**
 * One member.
 * @param {{name: string, schema: object, description?: string, isRequired: boolean|null, prefix?: string}} member
 *   `isRequired` is null where nothing is said of it, as of headers
 */
function memberNode({ name, schema, description, isRequired, example }, model, context, depth) {
  const flat = flatten(schema, model);
  const text = description ?? flat.description;
  return h("li.member", null,
    h("div.line", null,
      h("code.name", null, name), typeNode(schema, model),
      isRequired === null ? null : isRequired ? h("span.required", null, "required") : h("span.optional", null, "optional")),
    text && h("div.about", null, markdown(text, context)),
    ruleNodes(schema, model),
    nestedNode(flat, model, context, depth, example));
}

/** The members of what a member holds, folded away. */
function nestedNode(flat, model, context, depth, example) {
  const held = flat.items ? flatten(flat.items, model) : flat;
  if (!held.properties.size || depth >= depthMax) return null;
  const within = flat.items ? example?.[0] : example;
  const names = ordered(held, within).map(([name]) => name);
  return h("details.nested", null,
    h("summary", null, flat.items ? "Members of each" : "Members", " ", h("span.quiet", null, `(${names.length}: ${names.slice(0, 4).join(", ")}${names.length > 4 ? ", …" : ""})`)),
    memberList(held, model, context, { depth: depth + 1, saysRequired: true, example: within }));
}

/** Members in the order in which an example has them: shapes that are put together have those of their parts one after another. */
function ordered(flat, example) {
  const names = Object.keys(example ?? {});
  const place = ([name]) => (names.includes(name) ? names.indexOf(name) : names.length);
  return [...flat.properties].sort((one, other) => place(one) - place(other));
}

function memberList(flat, model, context, { depth, saysRequired, example }) {
  return h("ul.members", null, ordered(flat, example).map(([name, schema]) => memberNode({
    name, schema, isRequired: flat.required.has(name) ? (saysRequired ? true : null) : false, example: example?.[name],
  }, model, context, depth)));
}

/**
 * The members of a shape.
 * @param {object} schema
 * @param {object} model
 * @param {object} context how descriptions are read
 * @param {{saysRequired?: boolean, example?: unknown}} [options] an answer's members are always written: saying so of each would only be noise
 */
export function members(schema, model, context, { saysRequired = true, example } = {}) {
  const flat = flatten(schema, model);
  const held = flat.items ? flatten(flat.items, model) : flat;
  if (!held.properties.size) return valueNode(schema, model, context);
  return [
    held.choices.length > 0 && h("p.choice", null, held.choices.map((choice) => inline(`Exactly one of ${choice.map((one) => `\`${one}\``).join(" and ")}.`, context))),
    memberList(held, model, context, { depth: 0, saysRequired, example: flat.items ? example?.[0] : example }),
  ];
}

/** A shape that is no object. */
function valueNode(schema, model) {
  return h("div.value", null, h("div.line", null, typeNode(model.nameOf(schema) ? model.resolve(schema) : schema, model)), ruleNodes(schema, model));
}

/**
 * Parameters of a call.
 * @param {Array<object>} parameters
 */
export function parameterList(parameters, model, context) {
  return h("ul.members", null, parameters.map((parameter) => memberNode({
    name: parameter.name, schema: parameter.schema ?? {}, description: parameter.description, isRequired: parameter.required === true,
  }, model, context, 0)));
}

/**
 * Headers of an answer.
 * @param {Array<object>} headers
 */
export function headerList(headers, model, context) {
  return h("ul.members", null, headers.map((header) => memberNode({
    name: header.name, schema: header.schema ?? {}, description: header.description, isRequired: header.required === true ? null : false,
  }, model, context, 0)));
}
