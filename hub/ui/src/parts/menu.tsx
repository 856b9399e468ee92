// A menu on a button. Not modal: nothing behind it is locked, so that no style element is needed and the policy holds.

import * as Radix from "@radix-ui/react-dropdown-menu";
import type { ReactNode } from "react";
import { Icon, type IconName } from "./icon";

export function Menu({ label, icon, children, className }: { label: ReactNode; icon?: IconName; children: ReactNode; className?: string }) {
  return (
    <Radix.Root modal={false}>
      <Radix.Trigger className={className}>
        {icon && <Icon name={icon} />}
        {label}
        <Icon name="chevron" size={12} />
      </Radix.Trigger>
      <Radix.Portal>
        <Radix.Content className="menu" align="start" sideOffset={4} collisionPadding={8}>
          {children}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}

export function MenuItem({ children, onSelect, disabled }: { children: ReactNode; onSelect: () => void; disabled?: boolean }) {
  return (
    <Radix.Item className="menu-item" onSelect={onSelect} disabled={disabled ?? false}>
      {children}
    </Radix.Item>
  );
}

/** Stays open, so that several may be chosen at once. */
export function MenuCheck({ children, checked, onChange }: { children: ReactNode; checked: boolean; onChange: (checked: boolean) => void }) {
  return (
    <Radix.CheckboxItem className="menu-item" checked={checked} onCheckedChange={onChange} onSelect={(event) => event.preventDefault()}>
      <span className="menu-mark">
        <Radix.ItemIndicator>✓</Radix.ItemIndicator>
      </span>
      {children}
    </Radix.CheckboxItem>
  );
}

export function MenuChoice({ label, value, options, onChange }: {
  label: string;
  value: string;
  options: { value: string; label: string }[];
  onChange: (value: string) => void;
}) {
  return (
    <>
      <Radix.Label className="menu-label">{label}</Radix.Label>
      <Radix.RadioGroup value={value} onValueChange={onChange} aria-label={label}>
        {options.map((option) => (
          <Radix.RadioItem key={option.value} value={option.value} className="menu-item" onSelect={(event) => event.preventDefault()}>
            <span className="menu-mark">
              <Radix.ItemIndicator>•</Radix.ItemIndicator>
            </span>
            {option.label}
          </Radix.RadioItem>
        ))}
      </Radix.RadioGroup>
    </>
  );
}

export const MenuLine = () => <Radix.Separator className="menu-line" />;
export const MenuLabel = ({ children }: { children: ReactNode }) => <Radix.Label className="menu-label">{children}</Radix.Label>;
