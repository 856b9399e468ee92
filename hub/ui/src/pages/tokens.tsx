// API tokens: what scripts and runnelctl log in with.

import { useState } from "react";
import { useCreateToken, useRemoveToken, useTokens } from "../api/queries";
import type { CreatedToken, Token } from "../api/types";
import { Dialog } from "../parts/dialog";
import { Page } from "../parts/page";
import { Panel } from "../parts/panel";
import { Empty, errorText, Failed, Loading, Notice } from "../parts/states";
import { ExportButton, exportTable, Table, type Column } from "../parts/table";
import { Ago, useNow } from "../parts/time";
import { iso } from "../text/times";
import { useUrlState } from "../url/state";

const defaults = { sort: "-created" };
const day_ms = 86_400_000;
const lives = { "7 days": 7 * day_ms, "90 days": 90 * day_ms, "1 year": 365 * day_ms, "Until it is removed": null };

export default function TokensPage() {
  const [state, change] = useUrlState(defaults);
  const [created, setCreated] = useState<CreatedToken | null>(null);
  const [going, setGoing] = useState<Token | null>(null);
  const tokens = useTokens();
  const rows = tokens.data?.items ?? [];
  const columns: Column<Token>[] = [
    { id: "name", header: "Name", width: 220, value: (token) => token.name, cell: (token) => token.name },
    { id: "user", header: "User", width: 120, value: (token) => token.user, cell: (token) => token.user },
    { id: "created", header: "Created", width: 120, value: (token) => iso(token.created_ms), cell: (token) => <Ago ms={token.created_ms} /> },
    { id: "used", header: "Last used", width: 120, value: (token) => iso(token.used_ms), cell: (token) => <Ago ms={token.used_ms} /> },
    { id: "expires", header: "Ends", width: 160, value: (token) => iso(token.expires_ms), cell: (token) => (token.expires_ms === null ? "never" : <Ago ms={token.expires_ms} />) },
    {
      id: "do",
      header: "",
      width: 100,
      fixed: true,
      value: () => null,
      cell: (token) => (
        <button type="button" className="small danger" aria-label={`Remove ${token.name}`} onClick={() => setGoing(token)}>
          Remove …
        </button>
      ),
    },
  ];
  return (
    <Page title="API tokens" as_of_ms={tokens.data?.as_of_ms}>
      <Create onCreated={setCreated} />
      {created && (
        <Notice tone="ok">
          <p>
            The token <strong>{created.name}</strong>. It is shown this once; the hub keeps only its checksum.
          </p>
          <p>
            <code className="token">{created.token}</code>
          </p>
          <p>
            <button type="button" className="small" onClick={() => void navigator.clipboard?.writeText(created.token)}>
              Copy
            </button>{" "}
            <span className="muted">
              then <code>runnelctl --hub {window.location.origin} --token …</code> or <code>Authorization: Bearer …</code>; the routes are in{" "}
              <a href="/api/v1/openapi.json">openapi.json</a>.
            </span>
          </p>
        </Notice>
      )}
      <Panel title="Tokens" className="flush" actions={<ExportButton onExport={() => exportTable("tokens", columns, rows)} />}>
        {!tokens.data ? (
          tokens.error ? <Failed what="the tokens" error={tokens.error} retry={() => void tokens.refetch()} /> : <Loading what="tokens" />
        ) : (
          <Table label="Tokens" columns={columns} rows={rows} rowKey={(token) => token.id} sort={state.sort} onSort={(sort) => change({ sort })} height_max={560} empty={<Empty title="There is no token">Scripts and runnelctl use one instead of a password.</Empty>} />
        )}
      </Panel>
      {going && <Remove token={going} onClose={() => setGoing(null)} />}
    </Page>
  );
}

function Create({ onCreated }: { onCreated: (token: CreatedToken) => void }) {
  const [name, setName] = useState("");
  const [life, setLife] = useState<keyof typeof lives>("90 days");
  const now = useNow();
  const create = useCreateToken();
  return (
    <Panel title="New token">
      <form
        className="row deploy-what"
        onSubmit={(event) => {
          event.preventDefault();
          const ms = lives[life];
          create.mutate(
            { name, expires_ms: ms === null ? null : now + ms },
            {
              onSuccess(token) {
                setName("");
                onCreated(token);
              },
            },
          );
        }}
      >
        <label className="field">
          <span>Name</span>
          <input type="text" required maxLength={100} placeholder="What it is for" value={name} onChange={(event) => setName(event.target.value)} />
        </label>
        <label className="field">
          <span>Ends after</span>
          <select value={life} onChange={(event) => setLife(event.target.value as keyof typeof lives)}>
            {Object.keys(lives).map((each) => (
              <option key={each}>{each}</option>
            ))}
          </select>
        </label>
        <button type="submit" className="primary" disabled={create.isPending || name.trim() === ""}>
          Create
        </button>
        {create.error && <Notice tone="bad">{errorText(create.error)}</Notice>}
      </form>
    </Panel>
  );
}

function Remove({ token, onClose }: { token: Token; onClose: () => void }) {
  const remove = useRemoveToken();
  return (
    <Dialog
      title={`Remove token ${token.name}?`}
      onClose={onClose}
      actions={
        <>
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <button type="button" className="danger" disabled={remove.isPending} onClick={() => remove.mutate(token.id, { onSuccess: onClose })}>
            Remove
          </button>
        </>
      }
    >
      <p>What uses it is refused from now on.</p>
      {remove.error && <Notice tone="bad">{errorText(remove.error)}</Notice>}
    </Dialog>
  );
}
