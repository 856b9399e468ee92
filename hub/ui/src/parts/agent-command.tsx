// The command that brings an agent to this hub, to be copied: its lines break where a shell lets them.

const command = String.raw`runnel-agent run --state DIR --agent-class CLASS --agent-id ID \
    --hub URL --hub-ca FILE --hub-token-file FILE`;

export const AgentCommand = () => (
  <pre className="command" tabIndex={0} aria-label="Command that starts an agent">
    <code>{command}</code>
  </pre>
);
