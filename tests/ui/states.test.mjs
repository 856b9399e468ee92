// What each page shows while the hub has not answered, and when it answers with an error; and that the state of a page is in its address.
// Against the mock: its answers are held back or replaced on their way.

import { after, before, test } from "node:test";
import { assertAccessible, closeBrowser, openBrowser, openLoggedIn, shot, target } from "./browser.mjs";

const flow = "vehicle-telemetry";
/** Where a page is, the answer that it waits for, and what it calls that. */
const pages = {
  overview: ["/", "overview", "the overview"],
  history: ["/", "overview/metrics", "the history"],
  agents: ["/agents", "agents", "the agents"],
  agent: ["/agents/truck-1", "agents/truck-1", "agent truck-1"],
  metrics: ["/agents/truck-1?tab=metrics", "agents/truck-1/metrics", "the metrics"],
  operations: ["/agents/truck-1?tab=operations", "agents/truck-1/operations", "the operations"],
  flows: ["/flows", "flows", "the flows"],
  flow: [`/flows/${flow}`, `flows/${flow}`, `flow ${flow}`],
  status: [`/flows/${flow}`, `flows/${flow}/status`, "the status"],
  text: [`/flows/${flow}?tab=text`, `flows/${flow}/versions/2`, "version 2"],
  changes: [`/flows/${flow}?tab=diff`, `flows/${flow}/diff`, "the changes"],
  canvas: [`/flows/${flow}?tab=canvas`, `flows/${flow}/versions/2`, "version 2"],
  check: [`/flows/${flow}?tab=check`, `flows/${flow}/versions/2/check`, "the check"],
  "text-check": ["/push", "flows/check", "the check"],
  "next-version": [`/flows/${flow}/push`, `flows/${flow}/versions/2`, `flow ${flow}`],
  deploy: [`/flows/${flow}/deploy`, "classes", "the classes"],
  preview: [`/flows/${flow}/deploy?class=trucks`, "deployments/preview", "the preview"],
  events: ["/events", "events", "the events"],
  tokens: ["/tokens", "tokens", "the tokens"],
};

let hub;
/** One session for all pages: logging in costs more than looking. */
let opened;

before(async () => {
  hub = await target();
  await openBrowser();
  opened = await openLoggedIn(hub, "/tokens");
});
after(async () => {
  await opened?.context.close();
  await closeBrowser();
  hub?.stop();
});

async function inThemes(page, name) {
  for (const theme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme: theme });
    await shot(page, `${name}-${theme}`);
    // Beside their colours the themes are alike.
    await assertAccessible(page, `${name}, ${theme}`, theme === "light" ? undefined : ["color-contrast"]);
  }
}

for (const [name, [path, answer, what]] of Object.entries(pages)) {
  test(`${name}: it says that it loads, then what has failed, and goes on when it is tried again`, async () => {
    const { page, assertClean } = opened;
    await page.unrouteAll();
    const is_this = (url) => url.pathname === `/api/v1/${answer}`;
    await page.route(is_this, () => undefined);
    await page.goto(path);
    await page.getByText(/^(Loading .*|Checking) …$/).first().waitFor();
    await inThemes(page, `${name}-loading`);
    await page.unroute(is_this);
    await page.route(is_this, (route) =>
      route.fulfill({ status: 500, contentType: "application/problem+json", body: JSON.stringify({ type: "urn:runnel:problem:internal", title: "internal", status: 500, detail: "the disk is full" }) }),
    );
    await page.reload();
    const failed = page.getByRole("alert").filter({ hasText: `Could not load ${what}` });
    await failed.getByText("the disk is full").waitFor();
    await inThemes(page, `${name}-failed`);
    await page.unroute(is_this);
    await failed.getByRole("button", { name: "Try again" }).click();
    await failed.waitFor({ state: "detached" });
    assertClean();
  });
}

test("a text that could not be had while the hub was away comes by itself", async () => {
  const { page, context, assertClean } = await openLoggedIn(hub, "/tokens");
  const is_text = (url) => url.pathname === `/api/v1/flows/${flow}/versions/2`;
  await page.route(is_text, (route) => route.fulfill({ status: 503, body: "" }));
  await page.goto(`/flows/${flow}?tab=text`);
  await page.getByText("This page goes on by itself when the hub is back.", { exact: true }).waitFor();
  await page.unroute(is_text);
  await page.getByText("ConsumeMQTT").waitFor();
  assertClean();
  await context.close();
});

test("tabs and choices are places: back, forward and a reload lead to them", async () => {
  const { page, context, assertClean } = await openLoggedIn(hub, `/flows/${flow}`);
  const is_on = (tab) => page.getByRole("tab", { name: tab, selected: true }).waitFor();
  for (const tab of ["Text", "Changes", "Canvas"]) {
    await page.getByRole("tab", { name: tab }).click();
    await is_on(tab);
  }
  await page.goBack();
  await is_on("Changes");
  await page.goBack();
  await is_on("Text");
  await page.goForward();
  await is_on("Changes");
  await page.reload();
  await is_on("Changes");
  await page.goto("/agents/truck-1?selected=p-to-kafka");
  const chosen = page.getByRole("heading", { name: "to-kafka", exact: true });
  await chosen.waitFor();
  await page.waitForFunction((element) => element.getBoundingClientRect().bottom < window.innerHeight, await chosen.elementHandle());
  assertClean();
  await context.close();
});

test("a version that is not in the catalog is said, and a known one can be chosen instead", async () => {
  const { page, context, assertClean } = await openLoggedIn(hub, "/flows/tail-to-kafka?tab=text&v=9");
  await page.getByText("There is no version 9").waitFor();
  await page.getByRole("combobox", { name: "Version" }).selectOption("1");
  await page.getByText("TailFile").waitFor();
  await page.getByRole("tab", { name: "Changes" }).click();
  await page.goto("/flows/tail-to-kafka?tab=diff");
  await page.getByText("There is only one version yet").waitFor();
  assertClean();
  await context.close();
});
