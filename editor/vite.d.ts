/** Types of what Vite resolves at build time: style sheets and pictures. */
/// <reference types="vite/client" />
