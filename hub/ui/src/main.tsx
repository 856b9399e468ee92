// Starts the application.

import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import "./theme/tokens.css";
import "./theme/base.css";
import "./theme/layout.css";
import "./theme/parts.css";
import "./theme/tables.css";
import "./theme/flowtext.css";
import "./theme/pages.css";
import { App } from "./app";
import { applyTheme } from "./url/preferences";

applyTheme();
createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
