// The unit tests: what can be said without a browser.

import { defineConfig } from "vitest/config";

export default defineConfig({ test: { include: ["tests/**/*.test.ts"], environment: "node", env: { TZ: "UTC" } } });
