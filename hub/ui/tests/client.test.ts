// The door to the hub: what becomes of its answers.

import { beforeEach, expect, test, vi } from "vitest";
import { get, holdSession, HubAway, HubError, hubNow, linkState, onLinkChange, path, post } from "../src/api/client";

type Answer = (url: string, init: RequestInit) => Response | Promise<Response>;
let asked: { url: string; init: RequestInit }[];

function answerWith(answer: Answer): void {
  asked = [];
  vi.stubGlobal("fetch", async (url: string, init: RequestInit) => {
    asked.push({ url, init });
    return answer(url, init);
  });
}

const json = (body: unknown, status = 200) => new Response(JSON.stringify(body), { status });

beforeEach(async () => {
  answerWith(() => json({}));
  await get("me");
});

test("empty values are left out of a query, and names may hold any character", async () => {
  answerWith(() => json({}));
  await get(path`agents/${"a b/c?d"}/metrics`, { q: "", series: "cpu_percent", from_ms: 0, to_ms: null });
  expect(asked[0]!.url).toBe("/api/v1/agents/a%20b%2Fc%3Fd/metrics?series=cpu_percent&from_ms=0");
});

test("what changes something carries the token of the session, what reads does not", async () => {
  answerWith(() => json({}));
  holdSession({ user: "a", role: "administrator", csrf_token: "secret", expires_ms: 0, hub_version: "1" });
  await post("flows", { text: "" });
  await get("flows");
  expect(asked.map(({ init }) => (init.headers as Record<string, string>)["X-Runnel-CSRF"])).toEqual(["secret", undefined]);
});

test("a problem becomes an error with its complaints", async () => {
  answerWith(() => json({ type: "urn:runnel:problem:invalid", title: "Invalid", status: 422, detail: "two errors", complaints: [{ line: 3, column: 1, message: "no" }] }, 422));
  const error = await post("flows", {}).catch((cause: unknown) => cause);
  expect(error).toBeInstanceOf(HubError);
  expect((error as HubError).is("invalid")).toBe(true);
  expect((error as HubError).message).toBe("two errors");
  expect((error as HubError).problem.complaints).toHaveLength(1);
});

test("an error that is no problem document still says something", async () => {
  answerWith(() => new Response("<html>gateway</html>", { status: 500, statusText: "Internal Server Error" }));
  await expect(get("flows")).rejects.toThrow("Internal Server Error");
});

test("no connection and 503 mean that the hub is away, any other answer that it is back", async () => {
  const seen: boolean[] = [];
  const stop = onLinkChange(() => seen.push(linkState().away_since_ms !== null));
  answerWith(() => Promise.reject(new TypeError("fetch failed")));
  await expect(get("flows")).rejects.toBeInstanceOf(HubAway);
  answerWith(() => json({}, 503));
  await expect(get("flows")).rejects.toBeInstanceOf(HubAway);
  answerWith(() => json({ detail: "no" }, 404));
  await expect(get("flows")).rejects.toBeInstanceOf(HubError);
  expect(seen).toEqual([true, false]);
  stop();
});

test("a request that the page itself gave up says nothing of the hub", async () => {
  const gone = new AbortController();
  answerWith((_url, init) => new Promise((_resolve, reject) => init.signal!.addEventListener("abort", () => reject(new DOMException("gone", "AbortError")))));
  const asking = get("flows", {}, gone.signal);
  gone.abort();
  await expect(asking).rejects.toThrow("gone");
  expect(linkState().away_since_ms).toBeNull();
});

test("the hub's clock is used, not this computer's", async () => {
  answerWith(() => json({ as_of_ms: Date.now() + 3_600_000 }));
  await get("overview");
  expect(hubNow() - Date.now()).toBeGreaterThan(3_599_000);
});
