// The provider as an administrator would start it: the program, a folder, the environment; users and clients by command.

import { execFile, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const TARGET = resolve(import.meta.dirname, '../../../target/debug');
/** The programs under test; the environment may name others than those that were built here. */
export const STEPGATE = resolve(process.env.STEPGATE_BIN ?? join(TARGET, 'stepgate'));
export const DEMO = resolve(process.env.DEMO_BIN_DIR ?? join(TARGET, 'examples'));
export const PASSWORD = 'correct horse battery';

export async function freePort() {
  return new Promise((done) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });
}

/** Starts a program and waits until its port answers `/healthz`. */
export async function start(program, port, env, cwd) {
  const child = spawn(program[0], program.slice(1), { cwd, env, stdio: ['ignore', 'inherit', 'pipe'] });
  const ended = new Promise((done) => child.once('exit', done));
  let log = '';
  child.stderr.on('data', (text) => (log += text));
  for (let tries = 0; ; tries++) {
    const up = await fetch(`http://127.0.0.1:${port}/healthz`).then((r) => r.ok, () => false);
    if (up) break;
    if (tries > 200 || child.exitCode !== null) {
      child.kill('SIGKILL');
      throw new Error(`${program} does not start: ${log}`);
    }
    await sleep(50);
  }
  const end = (signal) => (child.kill(signal), ended);
  return { log: () => log, stop: () => end('SIGTERM'), kill: () => end('SIGKILL') };
}

/** The commands of `program`, run in `folder`; each answers in JSON. */
export const commands = (program, folder, env) => (args, input) =>
  new Promise((done, fail) => {
    const child = execFile(program[0], [...program.slice(1), ...args, '--json'], { cwd: folder, env }, (error, out) =>
      error ? fail(error) : done(JSON.parse(out)));
    child.stdin.end(input);
  });

/** Who registers clients and users, by `command`. */
export function administrator(command, folder) {
  let users = 0;
  return {
    client: (metadata) => command(['client', 'add'], JSON.stringify(metadata)),
    resetMfa: ({ name }) => command(['user', 'reset-mfa', name]),
    /** A fresh user: a one-time code counts once, so no two proofs share one. */
    async user({ totp = true, secondFactor = 'step-up', claims } = {}) {
      const name = `user${++users}`;
      const args = ['user', 'add', name, '--email', `${name}@example.com`, '--password-stdin', '--second-factor', secondFactor];
      if (claims) {
        const file = join(folder, `${name}.json`);
        await writeFile(file, JSON.stringify(claims));
        args.push('--claims', file);
      }
      const added = await command(totp ? [...args, '--totp'] : args, PASSWORD);
      return { name, sub: added.sub, otpauth: added.totp?.otpauth_uri };
    },
  };
}

/** `settings` is what stands in its file besides what makes passwords cheap. */
export async function startProvider(settings = '') {
  const folder = await mkdtemp(join(tmpdir(), 'stepgate-outside-'));
  const port = await freePort();
  const issuer = `http://localhost:${port}`;
  await writeFile(join(folder, 'stepgate.toml'), `${settings}\n[argon2]\nmemory_kib = 8\niterations = 1\n`);
  const env = {
    PATH: process.env.PATH,
    STEPGATE_ISSUER: issuer,
    STEPGATE_LISTEN: `127.0.0.1:${port}`,
    STEPGATE_DATABASE_URL: 'sqlite://stepgate.db',
    STEPGATE_KEYS_DIR: 'keys',
  };
  const command = commands([STEPGATE], folder, env);
  await command(['migrate']);
  const server = await start([STEPGATE, 'serve'], port, env, folder);
  return {
    ...administrator(command, folder),
    issuer,
    port,
    folder,
    log: server.log,
    async stop() {
      await server.stop();
      await rm(folder, { recursive: true });
    },
  };
}
