// The pages and the ways between them; who is not logged in sees the login page and comes back to where he was.

import { QueryClientProvider } from "@tanstack/react-query";
import { lazy, Suspense } from "react";
import { Redirect, Route, Switch, useLocation } from "wouter";
import { queryClient, useMe } from "./api/queries";
import { AgentPage } from "./pages/agent";
import { AgentsPage } from "./pages/agents";
import { EventsPage } from "./pages/events";
import { FlowsPage } from "./pages/flows";
import { LoginPage } from "./pages/login";
import { OverviewPage } from "./pages/overview";
import { Boundary } from "./parts/boundary";
import { Page } from "./parts/page";
import { AwayBanner, Shell } from "./parts/shell";
import { Empty, Loading } from "./parts/states";
import { address } from "./url/state";

const FlowPage = lazy(() => import("./pages/flow"));
const PushPage = lazy(() => import("./pages/push"));
const TokensPage = lazy(() => import("./pages/tokens"));
const DeployPage = lazy(() => import("./pages/deploy"));

export function App() {
  return (
    <QueryClientProvider client={queryClient}>
      <Gate />
    </QueryClientProvider>
  );
}

function Gate() {
  const me = useMe();
  const [location] = useLocation();
  if (me.data === undefined) {
    return (
      <>
        <AwayBanner />
        <Loading what="the hub" />
      </>
    );
  }
  const session = me.data;
  if (session === null) {
    return (
      <Switch>
        <Route path="/login" component={LoginPage} />
        <Route>
          <Redirect to={address("/login", { next: window.location.pathname + window.location.search })} replace />
        </Route>
      </Switch>
    );
  }
  return (
    <Switch>
      <Route path="/login" component={LoginPage} />
      <Route>
        <Shell session={session}>
          <Boundary key={location}>
            <Suspense fallback={<Loading what="the page" />}>
              <Pages />
            </Suspense>
          </Boundary>
        </Shell>
      </Route>
    </Switch>
  );
}

function Pages() {
  return (
    <Switch>
      <Route path="/" component={OverviewPage} />
      <Route path="/agents" component={AgentsPage} />
      <Route path="/agents/:id">{({ id }) => <AgentPage key={id} id={id} />}</Route>
      <Route path="/flows" component={FlowsPage} />
      <Route path="/push">
        <PushPage />
      </Route>
      <Route path="/flows/:name">{({ name }) => <FlowPage key={name} name={name} />}</Route>
      <Route path="/flows/:name/push">{({ name }) => <PushPage key={name} name={name} />}</Route>
      <Route path="/flows/:name/deploy">{({ name }) => <DeployPage key={name} name={name} />}</Route>
      <Route path="/events" component={EventsPage} />
      <Route path="/tokens" component={TokensPage} />
      <Route>
        <Page title="Not found">
          <Empty title="There is no such page">The address may be misspelt, or from another version of the hub.</Empty>
        </Page>
      </Route>
    </Switch>
  );
}
