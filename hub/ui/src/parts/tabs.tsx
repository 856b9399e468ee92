// The parts of a page, one shown at a time; which one is in the address.

import * as Radix from "@radix-ui/react-tabs";
import type { ReactNode } from "react";

export interface Tab {
  id: string;
  label: ReactNode;
  content: () => ReactNode;
}

export function Tabs({ label, tabs, active, onChange }: { label: string; tabs: Tab[]; active: string; onChange: (id: string) => void }) {
  const known = tabs.some((tab) => tab.id === active) ? active : tabs[0]!.id;
  return (
    <Radix.Root className="tabs" value={known} onValueChange={onChange} activationMode="manual">
      <Radix.List className="tab-list" aria-label={label}>
        {tabs.map((tab) => (
          <Radix.Trigger key={tab.id} value={tab.id} className="tab">
            {tab.label}
          </Radix.Trigger>
        ))}
      </Radix.List>
      {tabs.map((tab) => (
        <Radix.Content key={tab.id} value={tab.id} className="tab-content">
          {tab.id === known && tab.content()}
        </Radix.Content>
      ))}
    </Radix.Root>
  );
}
