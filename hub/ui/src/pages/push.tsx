// Push: writes a new flow or a new version, checked while one types.

import { useDeferredValue, useEffect, useRef, useState } from "react";
import { Link, useLocation } from "wouter";
import { useClasses, useFlow, useFlowVersion, usePush, useTextCheck } from "../api/queries";
import type { PushedVersion } from "../api/types";
import { Editor, type EditorHandle } from "../flowtext/editor";
import { Complaints } from "../parts/complaints";
import { Choice } from "../parts/filters";
import { Page } from "../parts/page";
import { Panel } from "../parts/panel";
import { complaintsOf, errorText, Failed, Loading, Notice } from "../parts/states";
import { counted } from "../text/numbers";
import { address, flowPath, useUrlState } from "../url/state";

const defaults = { class: "" };

const template = `flow: my-flow
processors:
  every-second:
    type: GenerateFlowFile
    schedule: {every: 1 sec}
  log:
    type: LogAttribute
    terminate: [success]
connections:
  - {from: every-second, to: log}
`;

export default function PushPage({ name = "" }: { name?: string }) {
  const flow = useFlow(name);
  const latest = useFlowVersion(name, flow.data?.version_latest ?? null);
  const is_new = name === "";
  // The version that is written on stays the base when another one is pushed meanwhile.
  const [base, setBase] = useState(is_new ? template : null);
  if (base === null && latest.data) setBase(latest.data.text);
  const trail = [{ label: "Flows", to: "/flows" }, ...(is_new ? [] : [{ label: name, to: flowPath(name) }])];
  const title = is_new ? "New flow" : `New version of ${name}`;
  if (base === null) {
    const error = flow.error ?? latest.error;
    return (
      <Page title={title} trail={trail}>
        {error ? <Failed what={`flow ${name}`} error={error} retry={() => void (flow.error ? flow : latest).refetch()} /> : <Loading what="the latest version" />}
      </Page>
    );
  }
  return (
    <Page title={title} trail={trail}>
      <Form name={name} base={base} />
    </Page>
  );
}

/** What is written survives an expired session and a reload. */
function useDraft(name: string, base: string): [string, (text: string) => void, () => void] {
  const key = `runnel.draft.${name}`;
  const [text, setText] = useState(() => sessionStorage.getItem(key) ?? base);
  useEffect(() => {
    if (text === base) sessionStorage.removeItem(key);
    else sessionStorage.setItem(key, text);
  }, [key, text, base]);
  return [text, setText, () => sessionStorage.removeItem(key)];
}

function Form({ name, base }: { name: string; base: string }) {
  const [state, change] = useUrlState(defaults);
  const [text, setText, forget] = useDraft(name, base);
  const [message, setMessage] = useState("");
  const [pushed, setPushed] = useState<PushedVersion | null>(null);
  const [, navigate] = useLocation();
  const editor = useRef<EditorHandle>(null);
  const file = useRef<HTMLInputElement>(null);
  const classes = useClasses();
  const settled = useSettled(text, 400);
  const check = useTextCheck(useDeferredValue(settled), state.class);
  const push = usePush();

  const refused = push.error ? complaintsOf(push.error) : [];
  const result = check.data;
  const complaints = result?.complaints ?? [];
  const marked = [...complaints, ...refused, ...(result?.manifests.flatMap((manifest) => manifest.complaints) ?? [])].map((each) => each.line);
  const other_name = name !== "" && result?.name && result.name !== name ? result.name : null;
  const goTo = (place: { line: number; column: number }) => editor.current?.goTo(place.line, place.column);

  return (
    <form
      className="stack"
      onSubmit={(event) => {
        event.preventDefault();
        push.mutate(
          { text, message },
          {
            onSuccess(version) {
              forget();
              if (version.is_new) navigate(address(flowPath(version.name), { tab: "versions" }));
              else setPushed(version);
            },
          },
        );
      }}
    >
      <div className="push-split">
        <Editor ref={editor} label="Text of the flow" text={text} marked={marked} onChange={setText} />
        <Panel
          title="Check"
          actions={<Choice label="Check against class" any="All agents" value={state.class} options={classes.data?.items.map((each) => each.name) ?? []} onChange={(value) => change({ class: value })} />}
        >
          <div className="stack" aria-live="polite">
            {!result ? (
              check.error ? <Failed what="the check" error={check.error} retry={() => void check.refetch()} /> : <p className="muted">{text.trim() === "" ? "Nothing written yet." : "Checking …"}</p>
            ) : (
              <>
                {result.is_valid ? (
                  <Notice tone="ok">
                    Valid: flow {result.name}, {counted(result.graph?.nodes.length ?? 0, "component")}.
                  </Notice>
                ) : (
                  <Notice tone="bad">{counted(complaints.length + result.manifests.reduce((sum, each) => sum + each.complaints.length, 0), "complaint")}</Notice>
                )}
                {other_name && <Notice tone="warn">The text names its flow {other_name}: it will become a version of that one.</Notice>}
                <Complaints complaints={complaints} onGo={goTo} />
                {result.manifests
                  .filter((manifest) => manifest.complaints.length > 0)
                  .map((manifest) => (
                    <section key={manifest.manifest_hash} className="stack">
                      <h2>
                        {counted(manifest.agents_total, "agent")} ({manifest.agent_type} {manifest.agent_version}) cannot run it
                      </h2>
                      <Complaints complaints={manifest.complaints} onGo={goTo} />
                    </section>
                  ))}
              </>
            )}
          </div>
        </Panel>
      </div>
      {push.error && (
        <Notice tone="bad">
          <p>{errorText(push.error)}</p>
          <Complaints complaints={refused} onGo={goTo} />
        </Notice>
      )}
      {pushed && (
        <Notice tone="info">
          This is the text of version {pushed.version} already; nothing was pushed. <Link href={flowPath(pushed.name)}>To the flow</Link>
        </Notice>
      )}
      <div className="row">
        <label className="row push-message">
          Message
          <input type="text" required maxLength={500} placeholder="What changes, and why" value={message} onChange={(event) => setMessage(event.target.value)} />
        </label>
        <button type="submit" className="primary" disabled={push.isPending || text.trim() === "" || message.trim() === ""}>
          {push.isPending ? "Pushing …" : name === "" ? "Push" : "Push new version"}
        </button>
        <button type="button" onClick={() => file.current?.click()}>
          Read a file …
        </button>
        <input
          ref={file}
          type="file"
          accept=".yaml,.yml,.json"
          hidden
          onChange={(event) => {
            void event.target.files?.[0]?.text().then(setText);
            event.target.value = "";
          }}
        />
        {text !== base && (
          <button type="button" className="plain" onClick={() => setText(base)}>
            Undo all changes
          </button>
        )}
      </div>
    </form>
  );
}

function useSettled(text: string, wait_ms: number): string {
  const [settled, setSettled] = useState(text);
  useEffect(() => {
    const wait = setTimeout(() => setSettled(text), wait_ms);
    return () => clearTimeout(wait);
  }, [text, wait_ms]);
  return settled;
}
