// axe-core, an independent judge of whether a page can be used by everybody: WCAG 2 A and AA with its best practices.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';

const AXE = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
// WCAG 2.2 §2.5.8 and §2.5.3, which axe-core leaves out unless it is asked.
const RULES = { 'target-size': { enabled: true }, 'label-content-name-mismatch': { enabled: true } };

/** No violation that axe-core knows of; `only` one rule, where the rest was looked at before. */
export async function accessible(page, only) {
  const asked = only ? { runOnly: [only] } : { rules: RULES };
  const { violations } = await page.evaluate(`(() => { const module = undefined, exports = undefined; ${AXE}
    return axe.run(${JSON.stringify(asked)}); })()`);
  assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html)}`), []);
}
