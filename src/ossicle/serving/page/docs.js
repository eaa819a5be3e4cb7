// The documentation of the API, drawn from /openapi.json.
import { at, make, table } from "./dom.js";
import { askJson } from "./http.js";

const METHODS = ["get", "post", "put", "patch", "delete"];

/** Return a text with its `code` marked, as paragraphs. */
function prose(text) {
  return (text ?? "")
    .split(/\n\s*\n/)
    .filter((one) => one.trim())
    .map((one) => make("p", {}, coded(one)));
}

const coded = (text) => text.split("`").map((one, n) => (n % 2 ? make("code", {}, one) : one));

/** Return what a `$ref` of the document points to; a schema without one as it is. */
function resolved(schema, api) {
  if (!schema?.$ref) return schema ?? {};
  const found = schema.$ref
    .split("/")
    .slice(1)
    .reduce((inside, name) => inside?.[name.replaceAll("~1", "/").replaceAll("~0", "~")], api);
  return found ?? {};
}

const isFile = (schema) => schema.format === "binary" || "contentMediaType" in schema;

/** Return the type of a value in words. */
function typeOf(given, api, depth = 0) {
  const schema = resolved(given, api);
  const several = schema.anyOf ?? schema.oneOf;
  if (several)
    return [
      ...new Set(several.filter((one) => one.type !== "null").map((one) => typeOf(one, api, depth))),
    ].join(" or ");
  if (schema.enum) return schema.enum.join(", ");
  if (schema.const !== undefined) return String(schema.const);
  if (schema.type === "array")
    return depth > 2 ? "list" : `list of ${typeOf(schema.items, api, depth + 1) || "any"}`;
  if (isFile(schema)) return "file";
  const limits = [
    schema.minimum !== undefined && `from ${schema.minimum}`,
    schema.maximum !== undefined && `to ${schema.maximum}`,
  ]
    .filter(Boolean)
    .join(" ");
  return [
    schema.title && schema.type === "object" && schema.properties ? "object" : (schema.type ?? ""),
    limits,
  ]
    .filter(Boolean)
    .join(" ");
}

/** Return rows as a table, without columns that are empty in all of them. */
function filled(heads, rows) {
  if (!rows.length) return null;
  const used = heads.map((_, n) => rows.some((row) => row.children[n].textContent));
  for (const row of rows) [...row.children].forEach((cell, n) => used[n] || cell.remove());
  return make("div", { class: "wide-table" }, table(heads.filter((_, n) => used[n]), rows));
}

function field(name, schema, isRequired, description, api) {
  const about = description ?? schema.description ?? resolved(schema, api).description ?? "";
  return make(
    "tr",
    {},
    make("th", { scope: "row" }, name, isRequired ? make("span", { class: "required" }, "required") : null),
    make("td", { class: "type" }, typeOf(schema, api)),
    make("td", {}, coded(about)),
  );
}

function fields(schema, api) {
  const of = resolved(schema, api);
  const required = new Set(of.required ?? []);
  return filled(
    ["Field", "Type", "About"],
    Object.entries(of.properties ?? {}).map(([name, one]) => field(name, one, required.has(name), null, api)),
  );
}

function parameters(operation, api) {
  const rows = (operation.parameters ?? [])
    .map((one) => resolved(one, api))
    .map((one) =>
      field(
        one.name,
        one.schema ?? {},
        one.required,
        [one.description, `In the ${one.in}.`].filter(Boolean).join(" "),
        api,
      ),
    );
  return rows.length ? [make("h3", {}, "Parameters"), filled(["Name", "Type", "About"], rows)] : [];
}

function body(operation, api) {
  return Object.entries(resolved(operation.requestBody, api).content ?? {}).map(([kind, { schema }]) => [
    make("h3", {}, "Body: ", make("code", {}, kind)),
    fields(schema, api) ??
      make(
        "p",
        { class: "quiet" },
        isFile(resolved(schema, api)) ? "The content of a sound file." : typeOf(schema, api),
      ),
  ]);
}

function responses(operation, api) {
  const rows = Object.entries(operation.responses ?? {}).map(([status, one]) =>
    make(
      "tr",
      {},
      make("th", { scope: "row" }, status),
      make("td", {}, coded(resolved(one, api).description ?? "")),
    ),
  );
  return rows.length ? [make("h3", {}, "Answers"), filled(["Status", "Meaning"], rows)] : [];
}

/** Return a command that sends a request, where it is a form with files or has no body. */
function example(path, method, operation, api) {
  const form = operation.requestBody?.content?.["multipart/form-data"]?.schema;
  if (operation.requestBody && !form) return null;
  const of = resolved(form, api);
  const files = Object.entries(of.properties ?? {}).filter(([, one]) => isFile(resolved(one, api)));
  const parts = files.map(([name]) => `-F ${name}=@${name === "file" ? "recording" : name}.wav`);
  const verb = method === "get" || parts.length ? [] : [`-X ${method.toUpperCase()}`];
  return make(
    "pre",
    {},
    ["curl", ...verb, ...parts, decodeURI(new URL(`.${path}`, document.baseURI))].join(" "),
  );
}

function drawn(path, method, operation, api) {
  const id = `${method}-${path.replace(/\W+/g, "-")}`;
  at("contents").append(
    make(
      "li",
      {},
      make("a", { href: `#${id}` }, make("span", { class: "method" }, method.toUpperCase()), path),
    ),
  );
  return make(
    "section",
    { class: "panel operation", id, "aria-labelledby": `${id}-title` },
    make("h2", { id: `${id}-title` }, make("span", { class: "method" }, method.toUpperCase()), path),
    prose(operation.description ?? operation.summary),
    example(path, method, operation, api),
    parameters(operation, api),
    body(operation, api),
    responses(operation, api),
  );
}

try {
  const api = await askJson("openapi.json");
  at("about").textContent = `version ${api.info.version}`;
  for (const [path, methods] of Object.entries(api.paths))
    for (const method of METHODS.filter((one) => one in methods))
      at("operations").append(drawn(path, method, methods[method], api));
} catch (error) {
  at("problem").textContent = error.message;
  at("problem").hidden = false;
}
document.documentElement.dataset.ready = "";
