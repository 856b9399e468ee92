// A hub that is not one: serves the built pages and a lively, made-up fleet under /api/v1, for work on the pages and for their tests.
//
//   node tests/mock-hub.mjs [--site DIR] [--port N] [--agents N]      user admin, password runnel-demo
//
// Never shipped. POST /mock/away {ms} makes it answer 503 for a while; POST /mock/expire ends all sessions.

import { randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize, resolve as resolvePath } from "node:path";
import { parseArgs } from "node:util";
import { check, diff, graphOf, makeFleet, missing } from "./mock-fleet.mjs";

const types = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".md": "text/markdown" };
const policy = "default-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'";

export const user = "admin";
export const password = "runnel-demo";

export function startMock({ site, port = 0, agents = 3 }) {
  const fleet = makeFleet(agents);
  const server = createServer((request, response) => {
    const chunks = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      try {
        handle(fleet, site, request, Buffer.concat(chunks).toString(), response);
      } catch (error) {
        console.error(error);
        problem(response, 500, "internal", String(error));
      }
    });
  });
  return new Promise((resolve) => {
    server.listen(port, "127.0.0.1", () => {
      const tick = setInterval(() => fleet.tick(), 500);
      resolve({
        url: `http://127.0.0.1:${server.address().port}`,
        stop: () => {
          clearInterval(tick);
          server.closeAllConnections();
          server.close();
        },
      });
    });
  });
}

// ------------------------------------------------------------------------------------------------------------------------ serving

function send(response, status, body, headers = {}) {
  response.writeHead(status, { "Content-Type": "application/json", "Cache-Control": "no-store", ...headers });
  response.end(body === undefined ? "" : JSON.stringify(body));
}

function problem(response, status, word, detail, extra = {}) {
  send(response, status, { type: `urn:runnel:problem:${word}`, title: word, status, detail, ...extra }, { "Content-Type": "application/problem+json" });
}

function handle(fleet, site, request, text, response) {
  const url = new URL(request.url, "http://mock");
  if (url.pathname === "/mock/away") {
    fleet.away_until = Date.now() + JSON.parse(text).ms;
    return send(response, 204);
  }
  if (url.pathname === "/mock/expire") {
    fleet.sessions.clear();
    return send(response, 204);
  }
  if (Date.now() < fleet.away_until) return problem(response, 503, "unavailable", "the hub is starting");
  if (url.pathname.startsWith("/api/v1/")) return api(fleet, request, url, text, response);
  if (request.method !== "GET") return problem(response, 405, "method", "only GET here");
  let file = normalize(join(site, decodeURIComponent(url.pathname)));
  if (!file.startsWith(site) || !existsSync(file) || url.pathname === "/") file = join(site, "index.html");
  response.writeHead(200, {
    "Content-Type": types[extname(file)] ?? "application/octet-stream",
    "Content-Security-Policy": policy,
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": url.pathname.startsWith("/assets/") ? "public, max-age=31536000, immutable" : "no-cache",
  });
  response.end(readFileSync(file));
}

function api(fleet, request, url, text, response) {
  const path = url.pathname.slice("/api/v1/".length).split("/").map(decodeURIComponent);
  const query = Object.fromEntries(url.searchParams);
  const body = text ? JSON.parse(text) : {};
  const route = `${request.method} ${path[0]}`;
  const cookie = /(?:^|; )runnel=([^;]+)/.exec(request.headers.cookie ?? "")?.[1];
  if (route === "POST login") {
    if (body.user !== user || body.password !== password) {
      fleet.event("login_failed", "warning", `login of ${body.user} refused`);
      return problem(response, 401, "wrong-credentials", "user or password is wrong");
    }
    const id = randomBytes(16).toString("hex");
    fleet.sessions.set(id, { user, role: "administrator", csrf_token: randomBytes(8).toString("hex"), expires_ms: Date.now() + 43_200_000, hub_version: "0.1.0-mock" });
    fleet.event("login", "info", "logged in", { actor: user });
    return send(response, 200, fleet.sessions.get(id), { "Set-Cookie": `runnel=${id}; HttpOnly; SameSite=Strict; Path=/` });
  }
  if (route === "POST logout") {
    fleet.sessions.delete(cookie);
    return send(response, 204, undefined, { "Set-Cookie": "runnel=; Max-Age=0; Path=/" });
  }
  const session = fleet.sessions.get(cookie);
  if (!session) return problem(response, 401, "unauthenticated", "no session, or it has ended");
  if (request.method !== "GET" && request.headers["x-runnel-csrf"] !== session.csrf_token) return problem(response, 403, "csrf", "X-Runnel-CSRF is missing or wrong");
  const answer = routes(fleet, request.method, path, query, body, session);
  if (answer.problem) return problem(response, answer.status, answer.problem, answer.detail, answer.complaints ? { complaints: answer.complaints } : {});
  send(response, answer.status ?? 200, answer.body);
}

const list = (items, query = {}) => {
  const offset = Number(query.offset ?? 0);
  const limit = Math.min(1000, Number(query.limit ?? 100));
  return { body: { as_of_ms: Date.now(), total: items.length, offset, items: items.slice(offset, offset + limit) } };
};
const whole = (items) => ({ body: { as_of_ms: Date.now(), total: items.length, offset: 0, items } });

function routes(fleet, method, path, query, body, session) {
  const [noun, name, part, more, last] = path;
  const as_of_ms = Date.now();
  if (noun === "me") return { body: session };
  if (noun === "overview") return name === "metrics" ? { body: fleet.metrics("fleet", query) } : { body: fleet.overview() };
  if (noun === "classes") {
    if (!name) return whole(fleet.classes());
    if (part === "operations") return { status: 202, body: fleet.operate(fleet.agents.filter((agent) => agent.class === name), body, session.user) };
  }
  if (noun === "tokens") {
    if (method === "GET") return whole(fleet.tokens);
    if (method === "DELETE") {
      fleet.tokens = fleet.tokens.filter((token) => token.id !== name);
      return { status: 204 };
    }
    const token = { id: `t-${fleet.next_operation++}`, name: body.name, user: session.user, created_ms: as_of_ms, expires_ms: body.expires_ms ?? null, used_ms: null };
    fleet.tokens.push(token);
    return { status: 201, body: { ...token, token: `rnl_${randomBytes(24).toString("base64url")}` } };
  }
  if (noun === "events") return { body: fleet.eventPage(query) };
  if (noun === "agents" && !name) return list(fleet.list(query), query);
  if (noun === "agents") {
    const agent = fleet.agents.find((each) => each.id === name);
    if (!agent) return missing(`agent ${name}`);
    if (!part) return { body: fleet.detail(agent) };
    if (part === "metrics") return { body: fleet.metrics(name, query) };
    if (method === "POST") return { status: 202, body: fleet.operate([agent], body, session.user) };
    return list(agent.operations, query);
  }
  if (noun === "flows") {
    if (!name && method === "GET") return whole([...fleet.flows.values()].map((flow) => fleet.flowRow(flow)));
    if (!name) return fleet.push(body, session.user);
    if (name === "check") return { body: check(fleet, body.text, body.class) };
    const flow = fleet.flows.get(name);
    if (!flow) return missing(`flow ${name}`);
    if (!part) return { body: { ...fleet.flowRow(flow), as_of_ms, versions: flow.versions.map((each) => fleet.versionRow(flow, each)).reverse() } };
    if (part === "status") return whole(fleet.deployments.filter((each) => each.flow === name).map((each) => fleet.deployment(each)));
    if (part === "metrics") return { body: fleet.metrics(name, query) };
    if (part === "diff") return { body: diff(flow, Number(query.from), Number(query.to)) };
    const version = flow.versions.find((each) => more === "latest" || each.version === Number(more)) ?? null;
    if (!version) return missing(`version ${more}`);
    if (last === "check") return { body: check(fleet, version.text, query.class) };
    return { body: { ...fleet.versionRow(flow, version), name, text: version.text, graph: graphOf(version.text) } };
  }
  if (noun === "deployments") {
    if (method === "GET") return whole(fleet.deployments.map((each) => fleet.deployment(each)));
    return fleet.deploy(body, session.user, name === "preview");
  }
  return missing("such route");
}

// --------------------------------------------------------------------------------------------------------------------- from a shell

if (process.argv[1] === import.meta.filename || process.argv[1]?.endsWith("mock-hub.mjs")) {
  const { values } = parseArgs({ options: { site: { type: "string", default: "dist" }, port: { type: "string", default: "8099" }, agents: { type: "string", default: "3" } } });
  const mock = await startMock({ site: resolvePath(values.site), port: Number(values.port), agents: Number(values.agents) });
  console.log(`listening ${mock.url}, user ${user}, password ${password}`);
}
