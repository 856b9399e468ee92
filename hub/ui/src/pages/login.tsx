// Login. Afterwards the page that was asked for.

import { useEffect, useRef, useState } from "react";
import { useLocation, useSearch } from "wouter";
import { HubError } from "../api/client";
import { useLogin, useMe } from "../api/queries";
import { Notice } from "../parts/states";
import { AwayBanner } from "../parts/shell";
import { safeNext } from "../url/state";

export function LoginPage() {
  const [user, setUser] = useState("");
  const [password, setPassword] = useState("");
  const [, navigate] = useLocation();
  const next = new URLSearchParams(useSearch()).get("next");
  const first = useRef<HTMLInputElement>(null);
  const login = useLogin();
  const me = useMe();

  useEffect(() => {
    document.title = "Log in · Runnel";
    first.current?.focus();
  }, []);
  useEffect(() => {
    if (me.data) navigate(safeNext(next), { replace: true });
  }, [me.data, navigate, next]);

  return (
    <>
      <AwayBanner />
      <main className="login">
        <h1 className="login-brand">
          <svg width="34" height="34" viewBox="0 0 32 32" aria-hidden="true">
            <rect width="32" height="32" rx="7" className="brand-fill" />
            <path d="M6 12c4-5 7 3 11-1s5-3 9 1M6 21c4-5 7 3 11-1s5-3 9 1" className="brand-line" />
          </svg>
          Runnel hub
        </h1>
        <form
          onSubmit={(event) => {
            event.preventDefault();
            login.mutate({ user, password });
          }}
        >
          {next && !login.error && <p className="muted">Log in to go on where you were.</p>}
          {login.error && <Notice tone="bad">{said(login.error)}</Notice>}
          <label className="field">
            <span>User</span>
            <input ref={first} type="text" autoComplete="username" autoCapitalize="none" spellCheck={false} required value={user} onChange={(event) => setUser(event.target.value)} />
          </label>
          <label className="field">
            <span>Password</span>
            <input type="password" autoComplete="current-password" required value={password} onChange={(event) => setPassword(event.target.value)} />
          </label>
          <button type="submit" className="primary" disabled={login.isPending}>
            {login.isPending ? "Logging in …" : "Log in"}
          </button>
        </form>
      </main>
    </>
  );
}

function said(error: Error): string {
  if (error instanceof HubError && error.is("wrong-credentials")) return "User or password is wrong.";
  if (error instanceof HubError && error.problem.status === 429) return "Too many attempts. Wait a minute, then try again.";
  return error.message;
}
