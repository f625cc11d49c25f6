// docker-compose.yml without docker: its services as processes of this machine, with its settings, its secrets and its
// proxy. Only addresses, ports and paths are others.

import { execFile, spawn } from 'node:child_process';
import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { startPostgres } from './database.js';
import { administrator, commands, freePort, start, STEPGATE } from './provider.js';

const run = promisify(execFile);
const ROOT = resolve(import.meta.dirname, '../../..');
export const text = (name) => readFile(join(ROOT, name), 'utf8');
export const compose = parse(await text('docker-compose.yml'), { merge: true });
export const instances = Object.fromEntries(Object.entries(compose.services).filter(([, service]) => service.build));

/** A folder with the files of the repository that an administrator needs, and the secrets made as they are told to. */
export async function installation() {
  const folder = await mkdtemp(join(tmpdir(), 'stepgate-compose-'));
  await mkdir(join(folder, 'scripts'));
  await copyFile(join(ROOT, 'scripts/compose-secrets'), join(folder, 'scripts/compose-secrets'));
  await run(join(folder, 'scripts/compose-secrets'), ['--self-signed', 'localhost']);
  return folder;
}

/** Where a secret that a container sees under /run/secrets lies in `folder`. */
const secret = (folder, inContainer) => join(folder, compose.secrets[inContainer.split('/').at(-1)].file);

/** nginx with the proxy's settings before `upstreams`, by the names that the settings give them. */
export async function startProxy(folder, upstreams) {
  const [http, https] = [await freePort(), await freePort()];
  const own = await mkdtemp(join(folder, 'nginx-'));
  const kinds = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  const settings = (await text('nginx.conf'))
    .replaceAll(/server (stepgate-\d):8080/g, (_, name) => `server 127.0.0.1:${upstreams[name]}`)
    .replace('listen 80 ', `listen 127.0.0.1:${http} `)
    .replace('listen 443 ', `listen 127.0.0.1:${https} `)
    .replaceAll(/\/run\/secrets\/\w+/g, (path) => secret(folder, path))
    .replaceAll('/var/log/nginx/', `${own}/`)
    .replace('http {', `http {\n${kinds.map((kind) => `${kind}_temp_path ${own}/${kind};`).join('\n')}`);
  await writeFile(join(own, 'nginx.conf'), settings);
  const env = { PATH: `${process.env.PATH}:/usr/sbin` };
  const child = spawn('nginx', ['-p', own, '-c', join(own, 'nginx.conf'), '-g', `daemon off; pid ${own}/pid;`], {
    env,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const ended = new Promise((done) => child.once('exit', done));
  const origin = `https://localhost:${https}`;
  for (let tries = 0; !(await fetch(`${origin}/metrics`).then(() => true, () => false)); tries++) {
    if (tries > 200 || child.exitCode !== null) throw new Error('nginx does not start');
    await sleep(25);
  }
  return {
    origin,
    http: `http://localhost:${http}`,
    port: https,
    log: (name) => readFile(join(own, name), 'utf8'),
    /** The lines of the access log so far. */
    answered: async () => (await readFile(join(own, 'access.log'), 'utf8')).trim().split('\n').map((line) => JSON.parse(line)),
    stop: () => (child.kill('SIGTERM'), ended),
  };
}

/** The whole file: a database, every instance, the proxy. */
export async function startTopology() {
  const folder = await installation();
  const database = await startPostgres();
  const stops = [() => rm(folder, { recursive: true }), database.stop];
  const stop = async () => {
    while (stops.length) await stops.pop()();
  };
  try {
    // A container is given a file of a folder, here an instance has to walk through it.
    for (const name of ['.', 'secrets']) await chmod(join(folder, name), 0o711);
    const program = join(folder, 'stepgate');
    await copyFile(STEPGATE, program);
    const [first] = Object.values(instances);
    const urlFile = secret(folder, first.environment.STEPGATE_DATABASE_URL_FILE);
    const url = new URL(await readFile(urlFile, 'utf8'));
    const { POSTGRES_USER: user, POSTGRES_DB: name, POSTGRES_PASSWORD_FILE } = compose.services.database.environment;
    const password = await readFile(secret(folder, POSTGRES_PASSWORD_FILE), 'utf8');
    await database.sql(`CREATE USER ${user} PASSWORD '${password}'`, `CREATE DATABASE ${name} OWNER ${user}`);
    await database.askForPasswords();
    url.host = database.url.host;
    await writeFile(urlFile, url.href);

    const ports = {};
    for (const instance of Object.keys(instances)) ports[instance] = await freePort();
    const proxy = await startProxy(folder, ports);
    stops.push(proxy.stop);
    const issuer = proxy.origin;
    const environment = (instance) => ({
      PATH: process.env.PATH,
      ...instances[instance].environment,
      STEPGATE_ISSUER: issuer,
      STEPGATE_LISTEN: `127.0.0.1:${ports[instance]}`,
      STEPGATE_DATABASE_URL_FILE: urlFile,
      STEPGATE_KEYS_DIR: join(folder, instances[instance].volumes[0].source),
      STEPGATE_TRUSTED_PROXIES: '127.0.0.1',
    });
    const as = process.getuid() === 0 ? ['setpriv', ...whose(first.user)] : [];
    const running = {};
    const begin = async (instance) => {
      running[instance] = await start([...as, program, 'serve'], ports[instance], environment(instance), folder);
    };
    // At once: one of them migrates and makes the keys, the other waits.
    stops.push(() => Promise.all(Object.values(running).map((server) => server.kill())));
    await Promise.all(Object.keys(instances).map(begin));
    const command = commands([...as, program], folder, environment(Object.keys(instances)[0]));
    return {
      ...administrator(command, folder),
      issuer,
      folder,
      database,
      proxy,
      ports,
      running,
      begin,
      stop,
      /** The instance whose answer was the last to a request for `path`. */
      async servedLast(path) {
        for (let tries = 0; tries < 400; tries++) {
          const line = (await proxy.answered()).findLast((line) => line.path.startsWith(path));
          const name = line && Object.keys(ports).find((name) => line.upstream.endsWith(`:${ports[name]}`));
          if (name) return name;
          await sleep(20);
        }
        throw new Error(`no instance answered the last request for ${path}`);
      },
      /** Waits until the proxy gives requests to each of them: one that it holds for dead is none, though it tried that one before. */
      async allServe() {
        const before = (await proxy.answered()).length;
        let missing = Object.keys(ports);
        for (let tries = 0; missing.length > 0; tries++) {
          if (tries > 400) throw new Error(`the proxy gives no request to ${missing}`);
          await (await fetch(`${issuer}/healthz`)).text();
          await sleep(25);
          const asked = (await proxy.answered()).slice(before).filter((line) => line.path === '/healthz');
          missing = missing.filter((name) => !asked.some((line) => line.upstream === `127.0.0.1:${ports[name]}`));
        }
      },
    };
  } catch (why) {
    await stop();
    throw why;
  }
}

function whose(user) {
  const [uid, gid] = user.split(':');
  return [`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', '--no-new-privs', '--bounding-set=-all', '--'];
}
