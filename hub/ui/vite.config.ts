// How the UI is built. `npx vite` serves it for work on it, with /api passed to the hub at RUNNEL_HUB (default: tests/mock-hub.mjs).

import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

export default defineConfig({
  plugins: [react()],
  build: {
    target: "es2022",
    // The policy is default-src 'self': neither data: addresses nor inline scripts.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    // The texts that the licences of what is bundled ask to be passed on; the hub serves them.
    license: { fileName: "licenses.md" },
  },
  server: {
    host: "127.0.0.1",
    proxy: { "/api": { target: process.env.RUNNEL_HUB ?? "http://127.0.0.1:8099", secure: false } },
  },
});
