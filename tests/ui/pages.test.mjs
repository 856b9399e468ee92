// The pages in real Chromium: what a person does with them, against a hub with agents (or the mock, see browser.mjs).
//
// From the environment, beside what browser.mjs takes: RUNNEL_UI_CLASS the class of the agents (default trucks), RUNNEL_UI_AGENTS_NAMED their ids
// (default truck-1,truck-2,truck-3), RUNNEL_UI_HUB_STOP and RUNNEL_UI_HUB_START shell commands that take the hub away and bring it back
// under the same address (without them the browser is cut off from it).

import assert from "node:assert/strict";
import { execSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { assertAccessible, closeBrowser, login, openBrowser, openLoggedIn, openPage, shot, target } from "./browser.mjs";

const class_name = process.env.RUNNEL_UI_CLASS ?? "trucks";
const agents = (process.env.RUNNEL_UI_AGENTS_NAMED ?? "truck-1,truck-2,truck-3").split(",");
const flow = "ui-test";
/** A flow that every agent can run, and whose numbers move. */
const text = (comment) => `# ${comment}
flow: ${flow}
processors:
  every-moment:
    type: GenerateFlowFile
    schedule: {every: 100 ms}
    properties: {File Size: 64 B}
  note:
    type: UpdateAttribute
    properties: {where: the edge}
    terminate: [failure]
  log:
    type: LogAttribute
    terminate: [success]
connections:
  - {from: every-moment, to: note}
  - {from: note.success, to: log}
`;

let hub;

before(async () => {
  hub = await target();
  await openBrowser();
});
after(async () => {
  await closeBrowser();
  hub?.stop();
});

/** A session, closed afterwards, and what must not have happened did not happen. */
async function visit(path, body, options) {
  const opened = await openLoggedIn(hub, path, options);
  try {
    await body(opened.page, opened.context);
    opened.assertClean();
  } catch (error) {
    await shot(opened.page, `failed-${Date.now()}`);
    if (opened.wrong.length) error.message += `\n${opened.wrong.join("\n")}`;
    throw error;
  } finally {
    await opened.context.close();
  }
}

async function pushFlow(page, content, message) {
  await page.getByLabel("Text of the flow").fill(content);
  await page.getByText(/^Valid: flow/).waitFor();
  await page.getByLabel("Message").fill(message);
  await page.getByRole("button", { name: /^Push/ }).click();
  await page.getByRole("tab", { name: /^Versions/, selected: true }).waitFor();
}

async function deployLatest(page) {
  await page.getByRole("link", { name: "Deploy …" }).first().click();
  await page.getByRole("group", { name: "Known classes" }).getByRole("button", { name: new RegExp(`^${class_name} `) }).click();
  await page.getByText(/agents? of \d+ will change/).waitFor();
  await page.getByRole("button", { name: /^Deploy version/ }).click();
  await page.getByRole("tab", { name: "Status", selected: true }).waitFor();
  await page.getByText(/^All \d+ agents? run it\.$/).waitFor({ timeout: 90_000 });
}

test("a wrong password is refused and says so", async () => {
  const { page, context, assertClean } = await openPage(hub);
  await page.goto("/");
  await login(page, hub, "not the password");
  await page.getByRole("alert").getByText("User or password is wrong.").waitFor();
  assert.match(page.url(), /\/login/);
  await assertAccessible(page, "login");
  await shot(page, "login");
  assertClean();
  await context.close();
});

test("login leads to the page that was asked for", async () => {
  await visit("/agents?sort=-last_seen_ms", async (page) => {
    await page.getByRole("heading", { name: "Agents", level: 1 }).waitFor();
    assert.match(page.url(), /\/agents\?sort=-last_seen_ms$/);
  });
});

test("every answer carries the policy, and the policy is never broken", async () => {
  const { page, context, assertClean } = await openPage(hub);
  const response = await page.goto("/");
  const policy = response.headers()["content-security-policy"] ?? "";
  for (const rule of ["default-src 'self'", "object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"]) assert.ok(policy.includes(rule), `${rule} in ${policy}`);
  assertClean();
  await context.close();
});

test("the agents are in the table, and a filter stands in the address", async () => {
  await visit("/agents", async (page) => {
    const table = page.getByRole("table", { name: "Agents" });
    for (const agent of agents) await table.getByRole("link", { name: agent, exact: true }).waitFor();
    await page.getByRole("searchbox", { name: "Id, name, host or address" }).fill(agents[0]);
    await page.waitForURL(new RegExp(`q=${agents[0]}`));
    await table.getByRole("link", { name: agents[1], exact: true }).waitFor({ state: "detached" });
    await page.getByRole("search").getByRole("button", { name: "Connectivity" }).click();
    await page.getByRole("menuitemcheckbox", { name: "Offline" }).click();
    await page.keyboard.press("Escape");
    await page.waitForURL(/connectivity=offline/);
    await page.getByText("No agent matches").waitFor();
    await page.reload();
    await page.getByText("No agent matches").waitFor();
    await page.getByRole("button", { name: "Show all agents" }).click();
    for (const agent of agents) await table.getByRole("link", { name: agent, exact: true }).waitFor();
  });
});

test("the table of agents is exported as CSV", async () => {
  await visit("/agents", async (page) => {
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "CSV" }).click()]);
    const content = readFileSync(await download.path(), "utf8");
    assert.match(content, /^\uFEFFAgent,Class,Connectivity,Sync/);
    for (const agent of agents) assert.ok(content.includes(`\r\n${agent},`), `${agent} in the export`);
  });
});

test("a broken flow is refused with a complaint at its line", async () => {
  await visit("/push", async (page) => {
    await page.getByLabel("Text of the flow").fill(text("broken").replace("to: log}", "to: lgo}"));
    await page.getByText(/^\d+ complaints?$/).waitFor();
    await page.locator(".complaints").getByRole("button", { name: /^17:\d+$/ }).click();
    assert.equal(await page.evaluate(() => document.activeElement?.tagName), "TEXTAREA");
    await page.getByLabel("Message").fill("broken on purpose");
    await page.getByRole("button", { name: "Push", exact: true }).click();
    await page.getByRole("alert").first().waitFor();
    assert.match(page.url(), /\/push/);
  });
});

test("a flow is pushed, deployed with a preview, and becomes in sync", async () => {
  await visit("/push", async (page) => {
    await pushFlow(page, text(`first of ${Date.now()}`), "Pushed by the test of the pages");
    await deployLatest(page);
    await shot(page, "deployed");
    await page.goto("/agents");
    const row = page.getByRole("row").filter({ has: page.getByRole("link", { name: agents[0], exact: true }) });
    await row.getByText("In sync").waitFor();
    await row.getByText(new RegExp(`${flow} @ \\d+`)).first().waitFor();
  });
});

test("a second version shows what changed and replaces the first", async () => {
  await visit(`/flows/${flow}/push`, async (page) => {
    await pushFlow(page, text(`second of ${Date.now()}`), "Another comment");
    await page.getByRole("link", { name: "Changes" }).first().click();
    await page.getByRole("tab", { name: "Changes", selected: true }).waitFor();
    await page.getByText("1 line added, 1 removed").waitFor();
    await page.getByRole("region", { name: /^Changes from version/ }).getByText("second", { exact: false }).first().waitFor();
    await deployLatest(page);
  });
});

test("numbers of an agent move without a reload", async () => {
  await visit(`/agents/${agents[0]}`, async (page) => {
    await page.evaluate(() => (window.stays = true));
    const canvas = page.getByRole("group", { name: `Flow of ${agents[0]}` });
    await canvas.getByText("GenerateFlowFile").waitFor();
    await canvas.getByText("Running").first().waitFor();
    const as_of = page.locator("[data-as-of]");
    const numbers = () => page.locator(".figures").innerText();
    const [time, first] = [Number(await as_of.getAttribute("data-as-of")), await numbers()];
    await page.waitForFunction(([selector, before]) => Number(document.querySelector(selector)?.getAttribute("data-as-of")) > before, ["[data-as-of]", time]);
    await page.waitForFunction((before) => document.querySelector(".figures")?.innerText !== before, first, { timeout: 60_000 });
    assert.ok(await page.evaluate(() => window.stays), "the page was reloaded");
    await page.getByText(/^[\d.,]+( k)?\/s$/).first().waitFor();
    await shot(page, "agent-live");
  });
});

test("a processor is stopped and started from the canvas, after a question", async () => {
  await visit(`/agents/${agents[1]}`, async (page) => {
    const canvas = page.getByRole("group", { name: `Flow of ${agents[1]}` });
    await canvas.getByText("every-moment").click();
    await page.getByRole("button", { name: "Stop", exact: true }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText(agents[1]).waitFor();
    await assertAccessible(page, "the question before an operation");
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });
    await page.getByRole("button", { name: "Stop", exact: true }).click();
    await dialog.getByRole("button", { name: "Stop processor every-moment" }).click();
    await page.getByText(/stop processor.*done/).waitFor({ timeout: 60_000 });
    const node = canvas.locator(".node").filter({ hasText: "every-moment" });
    await node.getByText("Stopped").waitFor({ timeout: 60_000 });
    await page.getByRole("button", { name: "Run once", exact: true }).click();
    await dialog.getByRole("button", { name: "Run processor every-moment once" }).click();
    await page.getByText(/run once processor.*done/).waitFor({ timeout: 60_000 });
    await node.getByText("Stopped").waitFor();
    await page.getByRole("button", { name: "Start", exact: true }).click();
    await dialog.getByRole("button", { name: "Start processor every-moment" }).click();
    await node.getByText("Running").waitFor({ timeout: 60_000 });
  });
});

test("a processor is chosen on the canvas by the keyboard", async () => {
  await visit(`/agents/${agents[1]}`, async (page) => {
    const node = page.locator(".react-flow__node").filter({ hasText: "note" });
    await node.waitFor();
    await node.focus();
    await page.keyboard.press("Enter");
    await page.waitForURL(/selected=/);
    await page.getByRole("heading", { name: "note", exact: true }).waitFor();
    await page.getByRole("button", { name: "Close" }).click();
    await page.getByRole("heading", { name: "note", exact: true }).waitFor({ state: "detached" });
  });
});

test("events tell who did what", async () => {
  await visit(`/events?flow=${flow}`, async (page) => {
    const row = page.getByRole("row").filter({ hasText: "Flow deployed" }).first();
    await row.getByText(hub.user, { exact: true }).waitFor();
    await row.getByText(class_name, { exact: true }).waitFor();
    await page.getByRole("search").getByRole("button", { name: "What" }).click();
    await page.getByRole("menuitemcheckbox", { name: "Flow pushed" }).click();
    await page.waitForURL(/kind=flow_pushed/);
    await page.getByRole("row").filter({ hasText: "Flow deployed" }).first().waitFor({ state: "detached" });
  });
});

test("an expired session leads to the login and back to the same place", async () => {
  const place = `/agents/${agents[0]}?tab=device`;
  await visit(place, async (page, context) => {
    await page.getByText("Heartbeat every").waitFor();
    // The session ends on the hub, while the browser still shows its cookie: as when it has expired.
    const cookies = await context.cookies();
    await page.evaluate(async () => {
      const { csrf_token } = await (await fetch("/api/v1/me")).json();
      await fetch("/api/v1/logout", { method: "POST", headers: { "X-Runnel-CSRF": csrf_token } });
    });
    await context.addCookies(cookies);
    await page.waitForURL(/\/login\?next=/);
    await page.getByText("Log in to go on where you were.").waitFor();
    await login(page, hub);
    await page.getByText("Heartbeat every").waitFor();
    assert.ok(page.url().endsWith(place), page.url());
  });
});

test("what was written survives an expired session", async () => {
  await visit(`/flows/${flow}/push`, async (page, context) => {
    const written = text("unsaved");
    await page.getByLabel("Text of the flow").fill(written);
    await context.clearCookies();
    await page.waitForURL(/\/login/);
    await login(page, hub);
    assert.equal(await page.getByLabel("Text of the flow").inputValue(), written);
  });
});

test("the hub goes away and comes back: the page says so and recovers by itself", async () => {
  await visit("/agents", async (page, context) => {
    const table = page.getByRole("table", { name: "Agents" });
    await table.getByRole("link", { name: agents[0], exact: true }).waitFor();
    await page.evaluate(() => (window.stays = true));
    await takeAway(context);
    const banner = page.getByRole("alert").getByText("The hub does not answer.", { exact: false });
    await banner.waitFor();
    await table.getByRole("link", { name: agents[0], exact: true }).waitFor();
    await shot(page, "hub-away");
    await bringBack(context);
    await banner.waitFor({ state: "detached", timeout: 60_000 });
    await table.getByRole("link", { name: agents[0], exact: true }).waitFor();
    assert.ok(await page.evaluate(() => window.stays), "the page was reloaded");
  });
});

async function takeAway(context) {
  if (process.env.RUNNEL_UI_HUB_STOP) execSync(process.env.RUNNEL_UI_HUB_STOP, { stdio: "inherit" });
  else await context.setOffline(true);
}
async function bringBack(context) {
  if (process.env.RUNNEL_UI_HUB_START) execSync(process.env.RUNNEL_UI_HUB_START, { stdio: "inherit" });
  else await context.setOffline(false);
}

test("pages are worked by the keyboard alone", async () => {
  await visit("/agents", async (page) => {
    await page.getByRole("table", { name: "Agents" }).getByRole("link", { name: agents[0], exact: true }).waitFor();
    await page.locator("body").press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement?.textContent), "Skip to the page");
    await page.getByRole("table").getByRole("button", { name: "Class", exact: true }).focus();
    await page.keyboard.press("Enter");
    await page.waitForURL(/sort=class/);
    await page.getByRole("search").getByRole("button", { name: "Sync", exact: true }).focus();
    await page.keyboard.press("Enter");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    await page.keyboard.press("Escape");
    await page.waitForURL(/sync=/);
    // The focus is back on the button that opened the menu.
    await page.waitForFunction(() => document.activeElement?.tagName === "BUTTON");
  });
});

test("a token is created, shown once, works without a session, and is removed", async () => {
  await visit("/tokens", async (page) => {
    const name = `pages ${Date.now()}`;
    await page.getByLabel("Name").fill(name);
    await page.getByRole("button", { name: "Create" }).click();
    const token = await page.locator("code.token").textContent();
    assert.match(token, /^rnl_/);
    await shot(page, "token");
    if (!hub.is_mock) {
      const [with_token, without] = await page.evaluate(async (bearer) => {
        const ask = (headers) => fetch("/api/v1/agents", { headers, credentials: "omit" }).then((response) => response.status);
        return [await ask({ Authorization: `Bearer ${bearer}` }), await ask({})];
      }, token);
      assert.deepEqual([with_token, without], [200, 401]);
    }
    await page.getByRole("button", { name: `Remove ${name}` }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
    await page.getByRole("table").getByText(name).or(page.getByText("There is no token")).first().waitFor();
    await page.getByRole("button", { name: `Remove ${name}` }).waitFor({ state: "detached" });
  });
});

test("an address of no page and a name of no agent say so", async () => {
  await visit("/nowhere", async (page) => {
    await page.getByText("There is no such page").waitFor();
    await page.goto("/agents/no-such-agent");
    await page.getByText("There is no agent no-such-agent").waitFor();
    await page.goto("/flows/no-such-flow");
    await page.getByText("There is no flow no-such-flow").waitFor();
  });
});

const places = {
  overview: "/",
  agents: "/agents",
  agent: `/agents/${agents[0]}`,
  components: `/agents/${agents[0]}?tab=components`,
  metrics: `/agents/${agents[0]}?tab=metrics`,
  bulletins: `/agents/${agents[0]}?tab=bulletins`,
  operations: `/agents/${agents[1]}?tab=operations`,
  device: `/agents/${agents[0]}?tab=device`,
  flows: "/flows",
  status: `/flows/${flow}`,
  versions: `/flows/${flow}?tab=versions`,
  text: `/flows/${flow}?tab=text`,
  changes: `/flows/${flow}?tab=diff`,
  canvas: `/flows/${flow}?tab=canvas`,
  check: `/flows/${flow}?tab=check`,
  "flow-metrics": `/flows/${flow}?tab=metrics`,
  push: `/flows/${flow}/push`,
  deploy: `/flows/${flow}/deploy?class=${class_name}`,
  events: "/events",
  tokens: "/tokens",
};

/** Themes differ by their colours alone: after the first one only rules about colours can find something new. */
const colours = ["color-contrast", "link-in-text-block"];

test("no page has a serious finding of axe, in any theme", async () => {
  const opened = await openLoggedIn(hub, "/", { colorScheme: "light" });
  const { page } = opened;
  const findings = [];
  for (const [name, path] of Object.entries(places)) {
    await page.emulateMedia({ colorScheme: "light" });
    await page.goto(path);
    await page.locator("h1").waitFor();
    await page.waitForFunction(() => !/^Loading /m.test(document.body.innerText));
    for (const theme of ["light", "dark", "contrast"]) {
      await page.emulateMedia({ colorScheme: theme === "light" ? "light" : "dark" });
      if (theme === "contrast") await page.evaluate(() => (document.documentElement.dataset.theme = "contrast"));
      await shot(page, `${name}-${theme}`);
      await assertAccessible(page, `${name}, ${theme}`, theme === "light" ? undefined : colours).catch((error) => findings.push(`${theme}: ${error.actual?.join("\n   ") ?? error.message}`));
    }
  }
  assert.deepEqual(findings, []);
  opened.assertClean();
  await opened.context.close();
});
