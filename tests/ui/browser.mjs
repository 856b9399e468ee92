// Debian's Chromium, driven by playwright-core: one browser for a run of tests, a fresh context for each.
//
// From the environment: RUNNEL_UI_URL and RUNNEL_UI_PASSWORD say which hub to look at (without them a mock is started, see target()),
// RUNNEL_UI_INSECURE=1 accepts the hub's own certificate, RUNNEL_UI_SHOTS=DIR keeps a picture of each page that a test looked at.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ui = new URL("../../hub/ui/", import.meta.url);
const require = createRequire(new URL("package.json", ui));
const { chromium } = require("playwright-core");
const axe_source = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
/** How long a page may take to show something, on a busy machine. */
export const patience_ms = 30_000;

let context_options = {};
let profile;
let browser;

/** The hub under test: {url, user, password, is_mock, stop}. */
export async function target() {
  if (process.env.RUNNEL_UI_URL) {
    context_options = { ignoreHTTPSErrors: process.env.RUNNEL_UI_INSECURE === "1" };
    return { url: process.env.RUNNEL_UI_URL, user: "admin", password: process.env.RUNNEL_UI_PASSWORD ?? "", is_mock: false, stop: () => undefined };
  }
  const { startMock, user, password } = await import(new URL("tests/mock-hub.mjs", ui));
  const mock = await startMock({ site: process.env.RUNNEL_UI_SITE, agents: Number(process.env.RUNNEL_UI_AGENTS ?? 3) });
  return { ...mock, user, password, is_mock: true };
}

export async function openBrowser() {
  profile = mkdtempSync(join(tmpdir(), "runnel-ui-"));
  browser = await chromium.launch({ executablePath: process.env.RUNNEL_CHROMIUM ?? "/usr/bin/chromium", headless: true, args: flags, env: { ...process.env, HOME: profile } });
}

export async function closeBrowser() {
  await browser?.close();
  if (profile) rmSync(profile, { recursive: true, force: true });
}

/** A page of its own, with the errors that it must not have: foreign requests, violations of the policy, uncaught exceptions. */
export async function openPage(hub, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, baseURL: hub.url, ...context_options, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(patience_ms);
  const wrong = [];
  page.on("pageerror", (error) => wrong.push(`uncaught: ${error.message}`));
  page.on("console", (message) => {
    const text = message.text();
    if (message.type() === "error" && /Content Security Policy|Refused to|Warning:|Each child|Maximum update/.test(text)) wrong.push(`console: ${text}`);
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(hub.url) && !/^(blob|data|about):/.test(request.url())) wrong.push(`foreign request: ${request.url()}`);
  });
  return { page, context, wrong, assertClean: () => assert.deepEqual(wrong, []) };
}

export async function login(page, hub, password = hub.password) {
  await page.getByLabel("User").fill(hub.user);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Log in" }).click();
}

/** A page that is logged in and shows `path`. */
export async function openLoggedIn(hub, path, options) {
  const opened = await openPage(hub, options);
  await opened.page.goto(path);
  await login(opened.page, hub);
  await opened.page.getByRole("navigation", { name: "Main" }).waitFor();
  return opened;
}

/** No serious or critical finding of axe, in the theme that is on; of all its rules, or of those named. */
export async function assertAccessible(page, what, rules) {
  // The hub's policy forbids foreign scripts in the page: axe goes in by the debugger, which no policy binds.
  await page.evaluate(axe_source);
  const found = await page.evaluate(async (only) => {
    const { violations } = await window.axe.run(document, { resultTypes: ["violations"], ...(only && { runOnly: { type: "rule", values: only } }) });
    return violations
      .filter((violation) => violation.impact === "serious" || violation.impact === "critical")
      .map((violation) => `${violation.id}: ${violation.help}: ${violation.nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(" | ")}`);
  }, rules);
  assert.deepEqual(found, [], `axe on ${what}`);
}

export async function shot(page, name) {
  const folder = process.env.RUNNEL_UI_SHOTS;
  if (!folder) return;
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`) });
}
