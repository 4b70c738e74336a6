/** Writes src/api.d.ts: `npm run api`. */

import { writeFileSync } from "node:fs";
import { apiTypes } from "./api-types.mjs";

writeFileSync("src/api.d.ts", await apiTypes());
