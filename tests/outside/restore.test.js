// Backup and restore by the very commands of docs/operations.md, on both databases: backed up while the server runs, destroyed,
// restored elsewhere; and what an old backup has forgotten.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createPublicKey, verify } from 'node:crypto';
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import * as client from 'openid-client';
import { startPostgres } from './support/database.js';
import { Person } from './support/person.js';
import { administrator, commands, freePort, start, STEPGATE } from './support/provider.js';
import { authenticate, CALLBACK, MFA, parts, refused, registered } from './support/relying_party.js';

const run = promisify(execFile);
const PAGE = await readFile(resolve(import.meta.dirname, '../../docs/operations.md'), 'utf8');
let postgres;

before(async () => (postgres = await startPostgres()));
after(() => postgres?.stop());

/** The commands under a heading of the page. */
function told(heading) {
  const block = PAGE.split(`### ${heading}\n`)[1]?.split('\n#')[0].match(/^(?: {4}.*\n)+/m)?.[0];
  assert.ok(block, heading);
  return `set -euo pipefail\n${block}`;
}

/** Stepgate in a folder of its own, with everything that an administrator has there. */
async function place(name, issuer, settings) {
  const folder = await mkdtemp(join(tmpdir(), `stepgate-${name}-`));
  await mkdir(join(folder, 'bin'));
  await symlink(STEPGATE, join(folder, 'bin/stepgate'));
  await writeFile(join(folder, 'stepgate.toml'), '[argon2]\nmemory_kib = 8\niterations = 1\n');
  const env = {
    ...settings,
    PATH: `${join(folder, 'bin')}:${process.env.PATH}`,
    STEPGATE_ISSUER: issuer,
    STEPGATE_LISTEN: `127.0.0.1:${new URL(issuer).port}`,
  };
  const command = commands([STEPGATE], folder, env);
  return {
    issuer,
    folder,
    command,
    ...administrator(command, folder),
    serve: () => start([STEPGATE, 'serve'], new URL(issuer).port, env, folder),
    shell: (script) => run('bash', ['-c', script], { cwd: folder, env }),
    /** What `serve` says when it does not start. */
    complaint: async () => {
      const served = run(STEPGATE, ['serve'], { cwd: folder, env, timeout: 10_000 });
      return served.then(() => assert.fail('it started'), (why) => why.stderr);
    },
  };
}

const databases = {
  SQLite: () => ({ then: {}, now: {} }),
  PostgreSQL: async () => {
    const { hostname, port, username } = postgres.url;
    const settings = (name) => ({
      ...{ PGHOST: hostname, PGPORT: port, PGUSER: username, PGDATABASE: name },
      STEPGATE_DATABASE_URL: new URL(name, postgres.url).href,
    });
    await postgres.sql('CREATE DATABASE stepgate');
    return { then: settings('stepgate'), now: settings('restored'), lose: () => postgres.sql('DROP DATABASE stepgate WITH (FORCE)') };
  },
};

for (const [kind, made] of Object.entries(databases)) {
  test(`what was backed up from ${kind} while it was used is restored, people and tokens with it`, async (t) => {
    const settings = await made();
    const issuer = `http://localhost:${await freePort()}`;
    const old = await place('old', issuer, settings.then);
    const restored = await place('restored', issuer, settings.now);
    let server;
    t.after(async () => {
      await server?.kill();
      for (const { folder } of [old, restored]) await rm(folder, { recursive: true, force: true });
    });

    const ada = await old.user();
    const late = await old.user({ totp: false });
    await old.command(['user', 'disable', late.name]);
    server = await old.serve();
    const shop = await registered(old, { grant_types: ['authorization_code', 'refresh_token'], skip_consent: true });
    const first = await authenticate(shop, new Person(ada, CALLBACK));
    const second = await client.refreshTokenGrant(shop, first.tokens.refresh_token);

    await old.shell(told(`The database: ${kind}`));
    await old.shell(told('The keys, after the database'));
    await old.shell(told('The master key, once'));
    for (const name of ['backup', 'vault']) await cp(join(old.folder, name), join(restored.folder, name), { recursive: true });
    await old.command(['session', 'revoke', first.claims.sid]);
    await assert.rejects(client.refreshTokenGrant(shop, second.refresh_token), refused('invalid_grant'));
    await old.command(['user', 'enable', late.name]);
    await server.kill();
    await settings.lose?.();
    await rm(old.folder, { recursive: true });

    await restored.shell(told(`Restore ${kind}`));
    assert.match(await restored.complaint(), /keys\/master\.key: is missing; restore it from the backup/);
    await restored.shell(told('Restore the keys'));
    const [name] = (await readdir(join(restored.folder, 'keys'))).filter((file) => file.endsWith('.json'));
    const [lost, elsewhere] = [join(restored.folder, 'keys', name), join(restored.folder, name)];
    await rename(lost, elsewhere);
    assert.match(await restored.complaint(), /keys: lacks the signing key \S+; the database has been used with it; restore it/);
    await rename(elsewhere, lost);

    assert.equal((await restored.command(['check-config'])).issuer, issuer);
    const shown = await restored.command(['user', 'show', ada.name]);
    assert.equal(shown.sub, ada.sub);
    assert.deepEqual(shown.factors.map((factor) => factor.method).sort(), ['otp', 'pwd']);
    server = await restored.serve();

    const { keys } = await (await fetch(`${issuer}/jwks`)).json();
    assert.ok(verifies(first.tokens.id_token, keys));
    const again = new Person(ada, CALLBACK);
    const { claims } = await authenticate(shop, again, { acr_values: MFA });
    assert.deepEqual([claims.sub, claims.acr, again.pages], [ada.sub, MFA, ['login', 'totp']]);

    // Nothing is known of what came after the backup, so the page says how to begin anew.
    const third = await client.refreshTokenGrant(shop, second.refresh_token);
    assert.equal((await restored.command(['session', 'list', ada.name])).length, 2);
    await restored.shell(told('After an old backup'));
    assert.deepEqual(await restored.command(['session', 'list', ada.name]), []);
    await assert.rejects(client.refreshTokenGrant(shop, third.refresh_token), refused('invalid_grant'));
    const disabled = async (name) => (await restored.command(['user', 'show', name])).disabled;
    assert.deepEqual([await disabled(ada.name), await disabled(late.name)], [false, true]);
  });
}

/** Whether one of the published keys has signed it (RS256). */
function verifies(jwt, keys) {
  const [{ kid, alg }] = parts(jwt);
  assert.equal(alg, 'RS256');
  const key = createPublicKey({ key: keys.find((key) => key.kid === kid), format: 'jwk' });
  const [signed, signature] = [jwt.slice(0, jwt.lastIndexOf('.')), jwt.slice(jwt.lastIndexOf('.') + 1)];
  return verify('sha256', Buffer.from(signed), key, Buffer.from(signature, 'base64url'));
}
