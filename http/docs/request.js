// A request as the reader put it together: the same for the lines to copy and for the call that the page makes itself.
import { key } from "./session.js";

/** Where the service is, as the reader reached it: this file lies three folders below, whatever prefix a proxy has added. */
export const base = new URL("../../../", import.meta.url).href.replace(/\/$/, "");

/** The header that carries the key. */
const keyHeader = "X-Api-Key";
/** What of a body still stands on one line. */
const lineCharactersMax = 48;

/**
 * What the reader has entered for a call.
 * @typedef {object} Values
 * @property {Object<string, string>} parameters by "in name": "query limit"
 * @property {string} type the media type of the body
 * @property {string} json the body as text
 * @property {Object<string, string|File[]>} form the parts of a form
 */

/** How a parameter is named among the values. */
export const slot = (parameter) => `${parameter.in} ${parameter.name}`;

/** A text within an address, with nothing left in it that a shell or curl would act on. */
const encoded = (text) => encodeURIComponent(text).replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16)}`);

/**
 * The target of a request. Parts of the path that are missing are written as shell variables.
 * @param {import("./model.js").Operation} operation
 * @param {Values} values
 */
function target(operation, values) {
  let hasVariables = false;
  const path = operation.path.replace(/\{(\w+)\}/g, (_, name) => {
    const value = values.parameters[`path ${name}`];
    if (value) return encoded(value);
    hasVariables = true;
    return `$${name.toUpperCase()}`;
  });
  const query = operation.parameters.filter((parameter) => parameter.in === "query").flatMap((parameter) => queryParts(parameter, values));
  return { url: `${base}${path}${query.length ? `?${query.join("&")}` : ""}`, hasVariables };
}

/** One parameter of the query; of an object, such as metadata, one for each of the lines `key=value`. */
function queryParts(parameter, values) {
  const value = values.parameters[slot(parameter)];
  if (!value) return [];
  const name = encoded(parameter.name);
  if (parameter.style !== "deepObject") return [`${name}=${encoded(value)}`];
  return value.split(/[\n,]/).map((line) => line.trim()).filter(Boolean).map((line) => {
    const [member, ...rest] = line.split("=");
    return `${name}[${encoded(member.trim())}]=${encoded(rest.join("=").trim())}`;
  });
}

/**
 * The parts of a request.
 * @param {import("./model.js").Operation} operation
 * @param {Values} values
 */
export function build(operation, values) {
  const headers = operation.parameters.filter((parameter) => parameter.in === "header")
    .map((parameter) => [parameter.name, values.parameters[slot(parameter)]]).filter(([, value]) => value);
  const isForm = values.type === "multipart/form-data";
  if (operation.body && !isForm && values.json.trim()) headers.unshift(["Content-Type", values.type]);
  return {
    method: operation.method,
    ...target(operation, values),
    needsKey: operation.needsKey,
    answersJSON: operation.responses.some(({ status, contents }) => status < 300 && contents.some(({ type }) => type === "application/json")),
    headers,
    json: operation.body && !isForm ? values.json : "",
    form: operation.body && isForm ? formParts(values.form) : null,
  };
}

function formParts(form) {
  return Object.entries(form).flatMap(([name, value]) =>
    Array.isArray(value) ? value.map((file) => ({ name, file })) : value === "" ? [] : [{ name, text: value }]);
}

const single = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/**
 * The request as a command.
 * @param {ReturnType<typeof build>} request
 */
export function curl(request) {
  const options = [];
  // Brackets in an address are a range to curl.
  if (/[[\]]/.test(request.url)) options.push("-g");
  if (request.method !== "GET" && !(request.method === "POST" && (request.json.trim() || request.form))) options.push(`-X ${request.method}`);
  if (request.needsKey) options.push(key() ? `-H ${single(`${keyHeader}: ${key()}`)}` : `-H "${keyHeader}: $KEY"`);
  for (const [name, value] of request.headers) options.push(`-H ${single(`${name}: ${value}`)}`);
  if (request.json.trim()) options.push(`${/^\s*@/.test(request.json) ? "--data-raw" : "-d"} ${single(tidy(request.json))}`);
  for (const { name, text, file } of request.form ?? []) {
    // To -F some signs say where a text comes from and what it is.
    if (file) options.push(`-F ${single(`${name}=@${file.name}`)}`);
    else options.push(`${/^[@<]|;/.test(text) ? "--form-string" : "-F"} ${single(`${name}=${text}`)}`);
  }
  options.push(request.hasVariables ? `"${request.url}"` : single(request.url));
  // Bodies of JSON end without a line end, and the prompt would stand behind them.
  return `curl ${options.join(" \\\n  ")}${request.answersJSON ? "; echo" : ""}`;
}

/** JSON on one line where that is short, else on several; other text as it is. */
function tidy(text) {
  try {
    const value = JSON.parse(text);
    const line = JSON.stringify(value);
    return line.length <= lineCharactersMax ? line : JSON.stringify(value, null, 2);
  } catch {
    return text;
  }
}

/**
 * The request as a line of a script. The key is a variable: it does not belong into code.
 * @param {ReturnType<typeof build>} request
 */
export function script(request) {
  const lines = [];
  const headers = [...(request.needsKey ? [`"${keyHeader}": key`] : []), ...request.headers.map(([name, value]) => `${JSON.stringify(name)}: ${JSON.stringify(value)}`)];
  const url = request.hasVariables ? `\`${request.url.replace(/\$([A-Z_]+)/g, (_, name) => `\${${name.toLowerCase()}}`)}\`` : JSON.stringify(request.url);
  if (request.form) {
    lines.push("const form = new FormData();");
    const images = request.form.filter((part) => part.file);
    for (const part of request.form.filter((one) => !one.file)) lines.push(`form.append(${JSON.stringify(part.name)}, ${JSON.stringify(part.text)});`);
    if (images.length) lines.push(`for (const file of files) form.append(${JSON.stringify(images[0].name)}, file);`);
  }
  const options = [
    request.method !== "GET" && `method: "${request.method}"`,
    headers.length && `headers: { ${headers.join(", ")} }`,
    request.form && "body: form",
    request.json.trim() && `body: JSON.stringify(${tidy(request.json).replaceAll("\n", "\n  ")})`,
  ].filter(Boolean);
  lines.push(options.length ? `const answer = await fetch(${url}, {\n  ${options.join(",\n  ")},\n});` : `const answer = await fetch(${url});`);
  lines.push("const body = await answer.json();");
  return lines.join("\n");
}

/**
 * Sends a request.
 * @param {ReturnType<typeof build>} request
 * @param {AbortSignal} signal
 */
export async function send(request, signal) {
  const headers = new Headers(request.headers);
  if (request.needsKey && key()) headers.set(keyHeader, key());
  let body = request.json.trim() ? request.json : undefined;
  if (request.form) {
    body = new FormData();
    for (const part of request.form) body.append(part.name, part.file ?? part.text);
  }
  const start = performance.now();
  // No answer from the browser's own store: the reader wants to see what the service says.
  const answer = await fetch(request.url, { method: request.method, headers, body, signal, cache: "no-store", credentials: "omit" });
  const blob = await answer.blob();
  return { answer, blob, milliseconds: performance.now() - start };
}
