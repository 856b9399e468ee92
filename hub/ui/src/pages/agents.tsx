// Agents: the fleet as a table, filtered and sorted by the hub; a hundred thousand rows are no more work than a hundred.

import { useMemo, useState } from "react";
import { fetchAllAgents, useAgentWindow } from "../api/agent-window";
import { useClasses } from "../api/queries";
import { AgentCommand } from "../parts/agent-command";
import { Chip, Choice, Search, StateFilter } from "../parts/filters";
import { Menu, MenuCheck } from "../parts/menu";
import { Page } from "../parts/page";
import { Empty, errorText, Failed, Loading, Notice } from "../parts/states";
import { ExportButton, exportTable, Table } from "../parts/table";
import { counted } from "../text/numbers";
import * as status from "../text/status";
import { listOf, useUrlState } from "../url/state";
import { agentColumns, agentColumnsShown, agentReasons } from "./agent-columns";

const defaults = { q: "", class: "", connectivity: "", sync: "", health: "", flow: "", version: "", sort: "id", columns: agentColumnsShown };

export function AgentsPage() {
  const [state, change] = useUrlState(defaults);
  const classes = useClasses();
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<unknown>(null);

  const { columns: chosen, ...filter } = state;
  const agents = useAgentWindow(filter);
  const columns = useMemo(() => {
    const ids = listOf(chosen);
    return agentColumns.filter((column) => column.id === "id" || ids.includes(column.id));
  }, [chosen]);
  const is_filtered = Object.entries(filter).some(([key, value]) => key !== "sort" && value !== "");
  const clear = () => change({ q: "", class: "", connectivity: "", sync: "", health: "", flow: "", version: "" });

  async function exportAll() {
    setBusy(true);
    setFailure(null);
    try {
      exportTable("agents", [...agentColumns, ...agentReasons], await fetchAllAgents(filter));
    } catch (error) {
      setFailure(error);
    } finally {
      setBusy(false);
    }
  }

  return (
    <Page title="Agents" as_of_ms={agents.as_of_ms} fill>
      <div className="filters" role="search" aria-label="Filter agents">
        <Search label="Id, name, host or address" value={state.q} onChange={(q) => change({ q })} />
        <Choice label="Class" any="All classes" value={state.class} options={classes.data?.items.map((each) => each.name) ?? []} onChange={(value) => change({ class: value })} />
        <StateFilter label="Connectivity" words={status.connectivity} value={state.connectivity} onChange={(connectivity) => change({ connectivity })} />
        <StateFilter label="Sync" words={status.sync} value={state.sync} onChange={(sync) => change({ sync })} />
        <StateFilter label="Flow health" words={status.health} value={state.health} onChange={(health) => change({ health })} />
        {state.flow && (
          <Chip onRemove={() => change({ flow: "", version: "" })}>{`runs ${state.flow}${state.version ? ` @ ${state.version}` : ""}`}</Chip>
        )}
        {is_filtered && (
          <button type="button" className="plain" onClick={clear}>
            Clear
          </button>
        )}
        <span className="row" style={{ marginInlineStart: "auto" }}>
          <span className="muted" role="status">
            {agents.is_loading ? "" : counted(agents.source.total, "agent")}
          </span>
          <Menu className="small" icon="columns" label="Columns">
            {agentColumns.slice(1).map((column) => (
              <MenuCheck
                key={column.id}
                checked={listOf(chosen).includes(column.id)}
                onChange={(checked) =>
                  change({
                    columns: agentColumns
                      .map((each) => each.id)
                      .filter((id) => (id === column.id ? checked : id === "id" || listOf(chosen).includes(id)))
                      .join(","),
                  })
                }
              >
                {column.header}
              </MenuCheck>
            ))}
          </Menu>
          <ExportButton onExport={() => void exportAll()} busy={busy} />
        </span>
      </div>
      {failure !== null && <Notice tone="bad">The export failed: {errorText(failure)}</Notice>}
      {agents.is_loading ? (
        agents.error ? <Failed what="the agents" error={agents.error} retry={agents.retry} /> : <Loading what="agents" />
      ) : (
        <Table
          label="Agents"
          columns={columns}
          source={agents.source}
          rowKey={(agent) => agent.id}
          sort={state.sort}
          onSort={(sort) => change({ sort })}
          empty={
            is_filtered ? (
              <Empty title="No agent matches">
                <button type="button" onClick={clear}>
                  Show all agents
                </button>
              </Empty>
            ) : (
              <Empty title="No agent has reported yet">
                <p>Start one that knows this hub:</p>
                <AgentCommand />
                <p>It appears here with its first heartbeat.</p>
              </Empty>
            )
          }
        />
      )}
    </Page>
  );
}
