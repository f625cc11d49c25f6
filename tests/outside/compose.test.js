// docker-compose.yml and nginx.conf: what they say, and what they do. The services run as processes of this machine.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import * as client from 'openid-client';
import { openWindow, press, shown, startBrowser } from './support/browser.js';
import { compose, installation, instances, startProxy, startTopology, text } from './support/compose.js';
import { freePort, PASSWORD } from './support/provider.js';
import { ask, registered } from './support/relying_party.js';

// The certificate was made a moment ago, and nobody vouches for it.
process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';

const run = promisify(execFile);
const names = Object.keys(instances);
/** For what Node's own client refuses to send or to read. */
async function curl(url, ...args) {
  const { stdout } = await run('curl', ['-sk', '--path-as-is', '-o', '/dev/null', '-w', '%{http_code}', ...args, url]);
  return Number(stdout);
}

let topology;
let browser;
let shop;
let callback;

before(async () => {
  topology = await startTopology();
  browser = await startBrowser();
  const port = await freePort();
  shop = createServer((_, response) => {
    response.setHeader('content-type', 'text/html');
    response.end('<!doctype html><title>shop</title><body data-page="callback">');
  }).listen(port);
  callback = `http://localhost:${port}/callback`;
});

after(async () => {
  await browser?.close();
  shop?.close();
  await topology?.stop();
});

test('the settings of the instances are settings that exist, and the same for all', async () => {
  const table = (await text('README.md')).split('## Settings')[1].split('\n## ')[0];
  const known = new Set(table.match(/\bSTEPGATE_[A-Z_]+\b/g));
  assert.ok(names.length === 2 && known.size > 5);
  for (const { environment } of Object.values(instances)) {
    for (const name of Object.keys(environment)) assert.ok(known.has(name.replace(/_FILE$/, '')), name);
    assert.deepEqual(environment, instances[names[0]].environment);
    assert.match(environment.STEPGATE_ISSUER, /^\$\{STEPGATE_ISSUER:\?/);
    assert.equal(environment.STEPGATE_TRUSTED_PROXIES, compose.networks.front.ipam.config[0].subnet);
  }
});

test('only the proxy is reached from outside, and the database by the instances alone', () => {
  for (const [name, service] of Object.entries(compose.services)) {
    assert.equal(Boolean(service.ports), name === 'proxy', name);
    assert.equal(service.network_mode, undefined);
    const networks = [service.networks].flat().flatMap((n) => (typeof n === 'string' ? n : Object.keys(n)));
    const expected = { proxy: ['front'], database: ['back'] }[name] ?? ['front', 'back'];
    assert.deepEqual(networks, expected, name);
  }
  assert.equal(compose.networks.back.internal, true);
  for (const name of names) assert.equal(compose.services.proxy.extra_hosts[name], instances[name].networks.front.ipv4_address);
});

test('every service is watched and may do little, and none starts before what it needs is well', () => {
  for (const [name, service] of Object.entries(compose.services)) {
    assert.ok(service.healthcheck.test.length > 1, name);
    assert.deepEqual(service.security_opt, ['no-new-privileges:true'], name);
    const needs = { proxy: names, database: [] }[name] ?? ['database'];
    assert.deepEqual(Object.keys(service.depends_on ?? {}), needs, name);
    for (const need of needs) assert.equal(service.depends_on[need].condition, 'service_healthy');
  }
  for (const service of Object.values(instances)) {
    assert.equal(service.read_only, true);
    assert.deepEqual(service.cap_drop, ['ALL']);
    assert.ok(!service.cap_add && !service.privileged);
    assert.ok(Number(service.user.split(':')[0]) > 0);
    assert.deepEqual(service.volumes.map((volume) => volume.source), ['./keys']);
    assert.equal(service.environment.STEPGATE_KEYS_DIR, service.volumes[0].target);
  }
});

test('secrets are files that are not in the repository, and stand nowhere else', async () => {
  const ignored = (await text('.gitignore')).split('\n');
  assert.ok(['/secrets', '/keys', '/.env'].every((path) => ignored.includes(path)));
  assert.equal((await text('.dockerignore')).split('\n').filter((line) => line && !/^[#!]/.test(line)).join(), '*');
  for (const secret of Object.values(compose.secrets)) assert.match(secret.file, /^\.\/secrets\//);
  for (const service of Object.values(compose.services)) {
    for (const name of service.secrets) assert.ok(compose.secrets[name], name);
    for (const [name, value] of Object.entries(service.environment ?? {})) {
      if (!/PASSWORD|SECRET|DATABASE_URL/.test(name)) continue;
      assert.ok(name.endsWith('_FILE') && service.secrets.includes(value.replace('/run/secrets/', '')), name);
    }
  }
  for (const file of ['docker-compose.yml', 'nginx.conf', 'Dockerfile']) {
    assert.doesNotMatch(await text(file), /:\/\/[^\s/]*:[^\s/]*@|password *[:=] *[^\s{]/i, file);
  }
});

test('the health checks pass, and say when an instance does not serve', async () => {
  const check = (name, port) => {
    const [kind, program, ...args] = instances[name].healthcheck.test;
    assert.equal(kind, 'CMD');
    return run(program, args.map((arg) => arg.replaceAll('$$', '$').replace('/8080', `/${port}`)));
  };
  for (const name of names) await check(name, topology.ports[name]);
  await assert.rejects(check(names[0], await freePort()));
  const [, program, ...args] = compose.services.database.healthcheck.test;
  await run(program, [...args, '-p', topology.database.url.port]);
  const url = compose.services.proxy.healthcheck.test.at(-1).replace('127.0.0.1', `localhost:${topology.proxy.port}`);
  assert.equal((await fetch(url)).status, 200);
});

test('a sign-in goes on although an instance dies after its page was opened, and the other one after its code was given', async () => {
  const { page, complaints } = await openWindow(browser, [topology.issuer, new URL(callback).origin], { ignoreHTTPSErrors: true });
  const user = await topology.user();
  const config = await registered(topology, { redirect_uris: [callback], skip_consent: true });
  let killed;
  const person = {
    async go(url) {
      await page.goto(url.href);
      assert.equal(await shown(page), 'login');
      killed = await topology.servedLast('/interaction/');
      await topology.running[killed].kill();
      await page.fill('input[name=username]', user.name);
      await page.fill('input[name=password]', PASSWORD);
      await press(page, 'continue');
      assert.equal(await shown(page), 'callback');
      return new URL(page.url());
    },
  };
  const { answer, checks } = await ask(config, person, { redirect_uri: callback });
  const other = await topology.servedLast('/interaction/');
  assert.notEqual(other, killed);
  await topology.begin(killed);
  await topology.allServe();
  await topology.running[other].kill();
  const tokens = await client.authorizationCodeGrant(config, answer, checks);
  assert.equal(tokens.claims().sub, user.sub);
  assert.equal((await client.fetchUserInfo(config, tokens.access_token, user.sub)).sub, user.sub);
  assert.equal(await topology.servedLast('/token'), killed);
  assert.deepEqual(complaints, []);
  await topology.begin(other);
});

test('an instance that is told to stop answers what it has begun, and the other one what comes after', async () => {
  const going = await topology.servedLast('/');
  const stopping = names.find((name) => name !== going);
  const began = connect(topology.ports[stopping], '127.0.0.1');
  const body = 'grant_type=client_credentials';
  const type = 'application/x-www-form-urlencoded';
  began.write(`POST /token HTTP/1.1\r\nHost: x\r\nContent-Type: ${type}\r\nContent-Length: ${body.length}\r\n\r\n${body.slice(0, 9)}`);
  await sleep(200);
  const stop = topology.running[stopping].stop();
  const outside = Array.from({ length: 20 }, async () => (await fetch(`${topology.issuer}/readyz`)).status);
  await sleep(200);
  began.write(body.slice(9));
  const [answer] = await once(began, 'data');
  assert.match(String(answer), /^HTTP\/1.1 401 /);
  assert.equal(await stop, 0);
  assert.deepEqual(new Set(await Promise.all(outside)), new Set([200]));
  await topology.begin(stopping);
});

test('an address that a stranger forges does not free them from a brake', async () => {
  const user = await topology.user();
  const { page } = await openWindow(browser, [topology.issuer], { ignoreHTTPSErrors: true });
  const config = await registered(topology, { redirect_uris: [callback] });
  const code_challenge = await client.calculatePKCECodeChallenge(client.randomPKCECodeVerifier());
  const request = { redirect_uri: callback, scope: 'openid', state: 's', code_challenge, code_challenge_method: 'S256' };
  await page.goto(client.buildAuthorizationUrl(config, request).href);
  const statuses = [];
  while (statuses.at(-1) !== 429 && statuses.length < 9) {
    await page.setExtraHTTPHeaders({ 'x-forwarded-for': `203.0.113.${statuses.length}` });
    await page.fill('input[name=username]', user.name);
    await page.fill('input[name=password]', 'a wrong one');
    const answer = page.waitForResponse((response) => response.request().method() === 'POST');
    await press(page, 'continue');
    statuses.push((await answer).status());
  }
  // Five cost nothing, and after the sixth a wait begins.
  assert.ok(statuses.length > 6 && statuses.at(-1) === 429, statuses.join());
});

test('the proxy passes on what an instance needs to know, and what is not for outside it keeps', async (t) => {
  const folder = await installation();
  const arrived = [];
  const stubs = {};
  const servers = [];
  for (const name of names) {
    stubs[name] = await freePort();
    const server = createServer((request, response) => {
      arrived.push({ method: request.method, url: request.url, headers: request.headers });
      if (request.url.startsWith('/lost')) return request.socket.destroy();
      response.end('answered');
    });
    servers.push(server.listen(stubs[name], '127.0.0.1'));
  }
  const [proxy, another] = [await startProxy(folder, stubs), await startProxy(folder, stubs)];
  t.after(async () => {
    await Promise.all([proxy.stop(), another.stop()]);
    for (const server of servers) (server.close(), server.closeAllConnections());
    await rm(folder, { recursive: true });
  });
  const get = (path, options) => fetch(`${proxy.origin}${path}`, { redirect: 'manual', ...options });

  const forged = { 'x-forwarded-for': '203.0.113.1, 10.0.0.1', 'x-forwarded-proto': 'http' };
  const answer = await get('/authorize?login_hint=secret', { headers: forged });
  assert.deepEqual([answer.status, answer.headers.get('server')], [200, 'nginx']);
  const { headers } = arrived.pop();
  assert.deepEqual(
    [headers['x-forwarded-for'], headers['x-forwarded-proto'], headers.host, headers.connection],
    ['127.0.0.1', 'https', 'localhost', undefined],
  );

  for (const path of ['/metrics', '/metrics?a', '//metrics', '/%6detrics', '/x/../metrics']) {
    assert.equal(await curl(`${proxy.origin}${path}`), 404, path);
  }
  const form = (length) => ['--data', 'x'.repeat(length)];
  assert.equal(await curl(`${proxy.origin}/token`, ...form(65_537)), 413);
  assert.equal(await curl(`${proxy.origin}/authorize?state=${'x'.repeat(17_000)}`), 414);
  assert.deepEqual(arrived, []);
  assert.equal(await curl(`${proxy.origin}/token`, ...form(65_536)), 200);
  assert.equal(await curl(`${proxy.origin}/authorize?state=${'x'.repeat(15_000)}`), 200);
  assert.equal(arrived.length, 2);

  const plain = await fetch(`${proxy.http}/authorize?a=b`, { redirect: 'manual' });
  assert.deepEqual([plain.status, plain.headers.get('location')], [301, 'https://localhost/authorize?a=b']);

  // The answer is lost: a form was sent and counts once, a page may be asked for again.
  arrived.length = 0;
  const lost = await get('/lost?code=secret', { method: 'POST', body: 'code=secret' });
  assert.deepEqual([lost.status, lost.headers.get('retry-after'), arrived.length], [503, '5', 1]);
  assert.equal((await fetch(`${another.origin}/lost`)).status, 503);
  assert.equal(arrived.length, 3);

  const lines = await proxy.answered();
  assert.ok(lines.some((line) => line.path === '/authorize' && line.upstream));
  assert.doesNotMatch(`${await proxy.log('access.log')}${await proxy.log('error.log')}`, /secret/);
});

test('of the instances nothing more is seen through the proxy than is meant for outside', async () => {
  assert.equal((await fetch(`${topology.issuer}/metrics`)).status, 404);
  const discovery = await (await fetch(`${topology.issuer}/.well-known/openid-configuration`)).json();
  assert.equal(discovery.issuer, topology.issuer);
  // The largest form comes back as the longest Location, a larger one not at all; neither is an error of an instance.
  const posted = (length) => curl(`${topology.issuer}/authorize`, '--data', `client_id=x&state=${'x'.repeat(length)}`);
  for (const name of names) {
    assert.equal(await posted(12_000), 303, name);
    assert.equal(await posted(65_000), 400, name);
  }
  const upstreams = new Set((await topology.proxy.answered()).map((line) => line.upstream));
  for (const name of names) assert.ok(upstreams.has(`127.0.0.1:${topology.ports[name]}`), name);
});
