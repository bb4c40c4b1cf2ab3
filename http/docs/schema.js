// What a schema says, in words.

const bytesPerUnit = 1024;

/**
 * A schema with its references followed and its parts put together.
 * @typedef {object} Flat
 * @property {string[]} types without "null"
 * @property {boolean} isNullable
 * @property {Map<string, object>} properties
 * @property {Set<string>} required
 * @property {string[][]} choices sets of members of which exactly one is to be given
 */

/**
 * Puts the parts of a schema together.
 * @param {object} schema
 * @param {{resolve: (value: object) => object}} model
 * @returns {Flat & object}
 */
export function flatten(schema, model) {
  const flat = { types: [], isNullable: false, properties: new Map(), required: new Set(), choices: [] };
  merge(flat, model.resolve(schema ?? {}), model);
  return flat;
}

function merge(flat, schema, model) {
  for (const part of schema.allOf ?? []) merge(flat, model.resolve(part), model);
  const { type, properties = {}, required = [], allOf, oneOf, anyOf, if: condition, then, else: otherwise, ...rest } = schema;
  const types = [type ?? []].flat();
  if (types.length) flat.types = types.filter((one) => one !== "null");
  if (types.includes("null")) flat.isNullable = true;
  for (const [name, property] of Object.entries(properties)) {
    const known = flat.properties.get(name);
    flat.properties.set(name, known ? { allOf: [known, property] } : property);
  }
  for (const name of required) flat.required.add(name);
  // One of several enumerations is within the others: the narrower counts.
  if (rest.enum && flat.enum) rest.enum = rest.enum.filter((value) => flat.enum.includes(value));
  Object.assign(flat, rest);
  mergeAlternatives(flat, oneOf ?? anyOf ?? [], model);
}

function mergeAlternatives(flat, alternatives, model) {
  if (!alternatives.length) return;
  const others = alternatives.filter((one) => model.resolve(one).type !== "null");
  if (others.length < alternatives.length) flat.isNullable = true;
  if (others.every((one) => one.required && !one.$ref)) {
    flat.choices.push(others.map((one) => one.required.join(" and ")));
  } else if (others.length === 1) {
    const { description } = flat;
    merge(flat, model.resolve(others[0]), model);
    // What is said at the place says more than what is said of the shape.
    if (description) flat.description = description;
    flat.isNullable = true;
  } else {
    flat.alternatives = others;
  }
}

/**
 * The kind of value, in words.
 * @param {object} schema
 * @param {object} model
 * @returns {string}
 */
export function typeWords(schema, model) {
  const flat = flatten(schema, model);
  const words = kindWords(flat, model);
  return flat.isNullable ? `${words} or null` : words;
}

function kindWords(flat, model) {
  if (flat.const !== undefined) return typeof flat.const;
  if (flat.types.includes("array")) return `array of ${countWords(flat)}${plural(flat.items, model)}`;
  if (flat.format === "uuid") return "UUID";
  if (flat.format === "date-time") return "time";
  if (flat.format === "uri") return "URL";
  if (flat.format === "image-file" || flat.format === "binary") return "file";
  if (flat.types.length) return flat.types.join(" or ");
  if (flat.properties.size) return "object";
  if (flat.contentMediaType) return "bytes";
  return flat.enum ? "string" : "anything";
}

function countWords({ minItems, maxItems }) {
  return minItems !== undefined && minItems === maxItems ? `${minItems} ` : "";
}

function plural(items, model) {
  if (!items) return "anything";
  const words = typeWords(items, model);
  return /(string|object|integer|number|file|time|URL|UUID)$/.test(words) ? `${words}s` : words;
}

/**
 * The rules of a value, each a list of words and of codes: `{code}` stands in the type of code.
 * @param {object} schema
 * @param {object} model
 * @returns {Array<Array<string|{code: string}>>}
 */
export function rules(schema, model) {
  const flat = flatten(schema, model);
  const all = [
    flat.const !== undefined && ["always ", ...listed([flat.const])],
    flat.enum && flat.const === undefined && ["one of ", ...listed(flat.enum)],
    rangeWords(flat.minLength, flat.maxLength, "character"),
    rangeWords(flat.minimum, flat.maximum),
    flat.minItems === flat.maxItems ? null : rangeWords(flat.minItems, flat.maxItems, "entry", "entries"),
    rangeWords(flat.minProperties, flat.maxProperties, "member"),
    flat.uniqueItems && ["no entry twice"],
    flat.multipleOf && [`a multiple of ${flat.multipleOf}`],
    flat.pattern && patternWords(flat.pattern),
    ...flat.choices.map((choice) => ["exactly one of ", ...listed(choice)]),
    flat.default !== undefined && ["default ", ...listed([flat.default])],
    flat.deprecated && ["deprecated"],
  ];
  return all.filter(Boolean);
}

function listed(values) {
  return values.flatMap((value, index) => [
    index === 0 ? "" : index === values.length - 1 ? " or " : ", ", { code: typeof value === "string" ? value : JSON.stringify(value) },
  ]);
}

function rangeWords(min, max, unit, units = unit && `${unit}s`) {
  if (min === undefined && max === undefined) return null;
  const named = (count) => (unit ? `${numberWords(count)} ${count === 1 ? unit : units}` : numberWords(count));
  if (min === max) return [`exactly ${named(min)}`];
  if (max === undefined) return [`at least ${named(min)}`];
  if (min === undefined || (min === 0 && unit)) return [`at most ${named(max)}`];
  return [`${numberWords(min)} to ${named(max)}`];
}

/** A number as people write it. */
export const numberWords = (number) => number.toLocaleString("en");

const escapes = { "\\d": "0–9", "\\w": "letters, digits, _", "\\s": "white space", " ": "space", "!-~": "visible ASCII" };

/** A pattern of one class of characters says which; others are given as they are, if a person can read them. */
function patternWords(pattern) {
  const [, sign, characters, count] = pattern.match(/^\^\[(\^?)((?:[^\]\\]|\\.)+)\](?:([+*]|\{[\d,]+\}))\$$/) ?? [];
  if (characters && !sign && !/\\u/.test(characters)) return ["of ", { code: classWords(characters) }, ...countedWords(count)];
  if (characters === "^\\u0000-\\u0008" || /\\u00/.test(pattern) || pattern.length > 48) return null;
  return ["of the form ", { code: pattern }];
}

function classWords(characters) {
  const parts = characters.match(/\\.|.-[^\]]|./g) ?? [];
  return parts.map((part) => escapes[part] ?? (part.length === 3 ? `${part[0]}–${part[2]}` : part.replace(/^\\/, ""))).join(" ");
}

function countedWords(count) {
  const [, min, comma, max] = count?.match(/^\{(\d+)(,?)(\d*)\}$/) ?? [];
  if (min === undefined) return [];
  return [`, ${(comma ? rangeWords(Number(min), max ? Number(max) : undefined, "character") : [`exactly ${min} characters`])[0]}`];
}

const formatExamples = { uuid: "019dd0a5-6f3c-7c1e-9b0a-4c6f7d1e2a33", "date-time": "2026-11-21T03:29:00.123Z", uri: "https://personas.example/…" };

/**
 * An example of a value: its own, or one made of its members.
 * @param {object} schema
 * @param {object} model
 * @param {number} depth
 */
export function exampleOf(schema, model, depth = 0) {
  const flat = flatten(schema, model);
  if (flat.example !== undefined) return flat.example;
  if (flat.examples?.length) return flat.examples[0];
  for (const known of ["const", "default"]) if (flat[known] !== undefined) return flat[known];
  if (flat.enum) return flat.enum[0];
  if (flat.properties.size && depth < 4) {
    return Object.fromEntries([...flat.properties].map(([name, property]) => [name, exampleOf(property, model, depth + 1)]));
  }
  if (flat.types.includes("array")) return flat.items ? Array.from({ length: flat.minItems ?? 1 }, () => exampleOf(flat.items, model, depth + 1)) : [];
  if (flat.types.includes("integer") || flat.types.includes("number")) return flat.minimum ?? 0;
  if (flat.types.includes("boolean")) return true;
  if (flat.isNullable) return null;
  return flat.types.includes("object") ? {} : formatExamples[flat.format] ?? "…";
}

/** A number of bytes as people write it. */
export function bytesWords(bytes) {
  if (bytes < bytesPerUnit) return `${bytes} B`;
  const kilobytes = bytes / bytesPerUnit;
  return kilobytes < bytesPerUnit ? `${kilobytes.toFixed(1)} KB` : `${(kilobytes / bytesPerUnit).toFixed(1)} MB`;
}
