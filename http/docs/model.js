// The document as the page needs it: references followed, calls in their order, errors with their meanings.
import { exampleOf, flatten } from "./schema.js";

const methods = ["get", "post", "put", "patch", "delete"];

/**
 * A call.
 * @typedef {object} Operation
 * @property {string} id
 * @property {string} method in capitals
 * @property {string} path
 * @property {string} summary
 * @property {string} description
 * @property {string} tag
 * @property {string|null} scope what the key must be allowed to do
 * @property {boolean} needsKey
 * @property {Array<object>} parameters
 * @property {{description: string, isRequired: boolean, contents: Array<{type: string, schema: object, examples: Array}>}|null} body
 * @property {Array<object>} responses
 */

/** What the page knows of the API. */
export class Model {
  /** @param {object} source the parsed openapi.json */
  constructor(source) {
    this.source = source;
    this.info = source.info;
    this.schemas = source.components?.schemas ?? {};
    this.errors = Object.entries(this.schemas.ErrorCode?.["x-codes"] ?? {}).map(([code, facts]) => ({ code, ...facts }));
    this.operations = this.#operations();
    this.tags = (source.tags ?? []).map((tag) => ({ ...tag, operations: this.operations.filter((one) => one.tag === tag.name) }));
    this.byID = new Map(this.operations.map((operation) => [operation.id, operation]));
    this.byCall = new Map(this.operations.map((operation) => [`${operation.method} ${operation.path}`, operation]));
  }

  /** Follows a reference, and those that it leads to; what stands beside it counts more. */
  resolve(value) {
    if (!value?.$ref) return value;
    const { $ref, ...beside } = value;
    const target = $ref.slice(2).split("/").reduce((at, step) => at?.[step.replaceAll("~1", "/").replaceAll("~0", "~")], this.source);
    return { ...this.resolve(target), ...beside };
  }

  /** The name of the shape that a reference means. */
  nameOf(value) {
    return value?.$ref?.startsWith("#/components/schemas/") ? value.$ref.split("/").at(-1) : null;
  }

  /** Where a piece of code leads that names a call, a shape or an error. */
  linkOf(code) {
    const call = code.replace(/\?.*$/, "");
    const operation = this.byID.get(code) ?? this.byCall.get(call) ?? this.byCall.get(`GET ${call}`);
    if (operation) return `#/${operation.id}`;
    if (this.errors.some((error) => error.code === code)) return `#/errors/${code}`;
    if (code === "ErrorCode") return "#/errors";
    return Object.hasOwn(this.schemas, code) ? `#/schemas/${code}` : null;
  }

  /** An example of a shape: one that the document gives of a body of this shape, or one made of its members. */
  exampleOf(name) {
    const contents = this.operations.flatMap(({ body, responses }) => [...(body?.contents ?? []), ...responses.flatMap((response) => response.contents)]);
    const isShape = ({ schema }) => this.nameOf(schema) === name || schema.allOf?.some((part) => this.nameOf(part) === name);
    return contents.filter(isShape).flatMap(({ examples }) => examples)[0]?.value ?? exampleOf(this.schemas[name], this);
  }

  /** The calls that may be answered with an error. */
  raising(code) {
    return this.operations.filter((operation) => operation.responses.some((response) => response.codes.includes(code)));
  }

  /** The calls that take or give a shape, themselves or within another. */
  using(name) {
    const seen = new Map();
    const mentions = (value) => {
      if (typeof value !== "object" || value === null) return false;
      const own = this.nameOf(value);
      if (own === name) return true;
      if (own) {
        if (!seen.has(own)) {
          seen.set(own, false);
          seen.set(own, mentions(this.schemas[own]));
        }
        if (seen.get(own)) return true;
      }
      return Object.values(value).some(mentions);
    };
    return this.operations.filter(({ parameters, body, responses }) =>
      [...parameters, ...(body?.contents ?? []), ...responses.flatMap((response) => response.contents)].some((part) => mentions(part.schema)));
  }

  #operations() {
    const operations = [];
    for (const [path, item] of Object.entries(this.source.paths ?? {})) {
      for (const method of methods) {
        if (item[method]) operations.push(this.#operation(path, method, item[method], item.parameters ?? []));
      }
    }
    return operations;
  }

  #operation(path, method, source, shared) {
    const security = source.security ?? this.source.security ?? [];
    return {
      id: source.operationId,
      method: method.toUpperCase(),
      path,
      summary: source.summary ?? source.operationId,
      description: source.description ?? "",
      tag: source.tags?.[0],
      scope: source["x-required-scope"] ?? null,
      needsKey: security.length > 0,
      parameters: [...shared, ...(source.parameters ?? [])].map((parameter) => this.resolve(parameter)),
      body: this.#body(this.resolve(source.requestBody)),
      responses: Object.entries(source.responses ?? {}).map(([status, response]) => this.#response(status, this.resolve(response))),
    };
  }

  #body(body) {
    if (!body) return null;
    return { description: body.description ?? "", isRequired: body.required === true, contents: this.#contents(body.content) };
  }

  #contents(content) {
    return Object.entries(content ?? {}).map(([type, media]) => ({ type, schema: media.schema ?? {}, examples: this.#examples(media) }));
  }

  #examples(media) {
    const named = Object.entries(media.examples ?? {}).map(([name, example]) => ({ name, ...this.resolve(example) }));
    return media.example === undefined ? named : [{ name: "example", value: media.example }, ...named];
  }

  #response(status, response) {
    const contents = this.#contents(response.content);
    return {
      status: Number(status),
      description: response.description ?? "",
      headers: Object.entries(response.headers ?? {}).map(([name, header]) => ({ name, ...this.resolve(header) })),
      contents,
      codes: Number(status) < 400 ? [] : contents.flatMap(({ schema }) => this.#codes(schema)),
      links: Object.entries(response.links ?? {}).map(([name, link]) => ({ name, ...this.resolve(link) })),
    };
  }

  /** The codes that the envelope of a failure may carry. */
  #codes(schema) {
    const error = flatten(schema, this).properties.get("error");
    const code = error && flatten(error, this).properties.get("code");
    return (code && flatten(code, this).enum) ?? [];
  }
}
