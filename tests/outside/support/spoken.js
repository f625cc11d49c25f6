// What Chromium hands to a screen reader: its accessibility tree, a line for each thing that is read, without what differs
// each time. Kept in `snapshots`; UPDATE_SNAPSHOTS=1 writes them anew.

import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const FOLDER = join(import.meta.dirname, '../snapshots');
const SILENT = ['none', 'generic', 'InlineTextBox', 'LineBreak', 'ListMarker', 'RootWebArea'];
const TOLD = ['level', 'required', 'readonly', 'live', 'disabled', 'checked', 'focused'];
const VOLATILE = [
  [/\buser\d+\b/g, '(user)'],
  [/\b[A-Z0-9]{4}(-[A-Z0-9]{4}){3}\b/g, '(code)'],
  [/\b([A-Z2-7]{4} ){3,}[A-Z2-7]{1,4}\b/g, '(secret)'],
  [/\b\d{1,2} (January|February|March|April|May|June|July|August|September|October|November|December) \d{4}\b/g, '(day)'],
  [/\b\d{1,2}\.\d{1,2}\.\d{4}\b/g, '(day)'],
  [/\b\d{2}:\d{2}\b/g, '(time)'],
];

const plain = (text) => VOLATILE.reduce((all, [what, name]) => all.replace(what, name), text);

/** One line for each thing, deeper ones further in. `varying` are texts that mean nothing. */
export async function spoken(page, varying = []) {
  const devtools = await page.context().newCDPSession(page);
  const { nodes } = await devtools.send('Accessibility.getFullAXTree');
  await devtools.detach();
  const byId = new Map(nodes.map((node) => [node.nodeId, node]));
  const lines = [];
  const said = (text) => plain(varying.reduce((all, one) => all.replaceAll(one, '(varying)'), text));
  const read = (node, depth, above) => {
    const role = node.role?.value;
    const repeated = role === 'StaticText' && node.name.value === above;
    const silent = node.ignored || SILENT.includes(role) || repeated;
    if (!silent) {
      const of = (name) => node.properties?.find((one) => one.name === name)?.value.value;
      const traits = TOLD.filter((name) => of(name)).map((name) => (of(name) === true ? name : `${name}=${of(name)}`));
      if (of('invalid') === 'true') traits.push('invalid');
      const description = node.description?.value ? ` (${said(node.description.value)})` : '';
      const line = [role, node.name?.value && `"${said(node.name.value)}"`, ...traits].filter(Boolean).join(' ');
      lines.push(`${'  '.repeat(depth)}${line}${description}`);
    }
    for (const id of node.childIds ?? []) if (byId.has(id)) read(byId.get(id), silent ? depth : depth + 1, node.name?.value);
  };
  read(nodes[0], 0);
  return lines;
}

/** It is read as it was when somebody last looked at it. */
export async function asKept(name, lines) {
  const file = join(FOLDER, `${name}.txt`);
  const text = `${lines.join('\n')}\n`;
  if (process.env.UPDATE_SNAPSHOTS === '1') {
    await mkdir(FOLDER, { recursive: true });
    return writeFile(file, text);
  }
  const kept = await readFile(file, 'utf8').catch(() => assert.fail(`${file} is missing: look at the page, and keep what is read`));
  assert.equal(text, kept);
}
