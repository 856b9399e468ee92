// Catches what a page throws while it is drawn, so that the frame and the ways to other pages stay.

import { Component, type ReactNode } from "react";

interface State {
  error: Error | null;
}

export class Boundary extends Component<{ children: ReactNode }, State> {
  override state: State = { error: null };

  static getDerivedStateFromError(error: unknown): State {
    return { error: error instanceof Error ? error : new Error(String(error)) };
  }

  override render(): ReactNode {
    const { error } = this.state;
    if (!error) return this.props.children;
    // A new version of the hub has other files than this page knows.
    const is_old_page = /dynamically imported module|Importing a module script failed/.test(error.message);
    return (
      <main className="page">
        <div className="state" role="alert">
          <h1>{is_old_page ? "The hub has been updated" : "This page has failed"}</h1>
          <p className="muted">{is_old_page ? "Load the page again to go on with the new version." : error.message}</p>
          <button type="button" className="primary" onClick={() => window.location.reload()}>
            Load the page again
          </button>
        </div>
      </main>
    );
  }
}
