/** A document for tests of what makes elements; the real browser is in tests/page. */

import { Window } from "happy-dom";

const window = new Window({ url: "http://arena.test/" });
const NAMES = ["document", "HTMLElement", "Element", "Text", "Node", "navigator", "localStorage", "sessionStorage", "location", "getComputedStyle"] as const;
for (const name of NAMES) Object.defineProperty(globalThis, name, { value: Reflect.get(window, name), configurable: true });
Object.defineProperty(globalThis, "window", { value: window, configurable: true });
Object.defineProperty(globalThis, "matchMedia", { value: () => ({ matches: false }), configurable: true });
