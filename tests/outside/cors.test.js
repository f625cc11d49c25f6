// Which web pages read what programs are answered, by the judge that counts: a browser. A public client lives in a page of
// its redirect URI's origin; every other page, on this machine too, reads nothing but what is for everybody.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import * as client from 'openid-client';
import { openWindow, press, shown, startBrowser } from './support/browser.js';
import { freePort, startProvider } from './support/provider.js';
import { parts } from './support/relying_party.js';
import { signIn } from './support/visitor.js';

const FORM = { 'content-type': 'application/x-www-form-urlencoded' };
const BYSTANDER = '<iframe sandbox="allow-scripts" srcdoc="<p>a frame without an origin"></iframe>';
let provider;
let browser;
let app;
let stranger;
let client_id;

/** A web server that has one page, for every address. */
async function startPages() {
  const port = await freePort();
  const server = createServer((_, response) => {
    response.setHeader('content-type', 'text/html');
    response.end(`<!doctype html><title>app</title><body data-page="callback">${BYSTANDER}`);
  }).listen(port);
  return { origin: `http://localhost:${port}`, port, close: () => (server.closeAllConnections(), server.close()) };
}

before(async () => {
  provider = await startProvider();
  browser = await startBrowser();
  [app, stranger] = [await startPages(), await startPages()];
  ({ client_id } = await provider.client({
    redirect_uris: [`${app.origin}/callback`],
    token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code', 'refresh_token'],
    skip_consent: true,
  }));
});

after(async () => {
  await browser?.close();
  [app, stranger].forEach((pages) => pages?.close());
  await provider?.stop();
});

const open = async () => {
  const here = [provider.issuer, app.origin, stranger.origin, `http://127.0.0.1:${app.port}`];
  return openWindow(browser, here, { javaScriptEnabled: true });
};

/** What a script in `page`, or in a frame, gets to read of `url`. */
const read = (page, url, options) =>
  page.evaluate(async ([url, options]) => {
    try {
      const answer = await fetch(url, options);
      const challenge = answer.headers.get('www-authenticate');
      return { status: answer.status, challenge, body: await answer.json().catch(() => null) };
    } catch (why) {
      return String(why);
    }
  }, [url, options]);

const NOTHING = 'TypeError: Failed to fetch';
const post = (fields, more = {}) => ({ method: 'POST', headers: FORM, body: String(new URLSearchParams(fields)), ...more });
const bearer = (token) => ({ headers: { authorization: `Bearer ${token}` } });

/** The address of an authorization request of the application. */
async function request(code_verifier) {
  const code_challenge = await client.calculatePKCECodeChallenge(code_verifier);
  const own = { response_type: 'code', client_id, redirect_uri: `${app.origin}/callback`, scope: 'openid email' };
  return `${provider.issuer}/authorize?${new URLSearchParams({ ...own, code_challenge, code_challenge_method: 'S256' })}`;
}

/** The browser goes to the provider and comes back to the application with a code; what is needed to exchange it. */
async function atTheApplication(page, user) {
  const code_verifier = client.randomPKCECodeVerifier();
  await page.goto(await request(code_verifier));
  if ((await shown(page)) === 'login') await signIn(page, user);
  // It has no secret, and localhost is anybody's (RFC 8252 §8.6).
  if ((await shown(page)) === 'continue') await press(page, 'continue');
  assert.equal(await shown(page), 'callback');
  const code = new URL(page.url()).searchParams.get('code');
  return { grant_type: 'authorization_code', code, redirect_uri: `${app.origin}/callback`, client_id, code_verifier };
}

test('the page of a public client gets tokens, reads who it is, refreshes and gives them back', async () => {
  const user = await provider.user();
  const { page, complaints } = await open();
  const { status, body: tokens } = await read(page, `${provider.issuer}/token`, post(await atTheApplication(page, user)));
  assert.equal(status, 200);
  assert.equal(parts(tokens.id_token)[1].sub, user.sub);
  const userinfo = `${provider.issuer}/userinfo`;
  const email = { email: `${user.name}@example.com`, email_verified: true };
  assert.deepEqual((await read(page, userinfo, bearer(tokens.access_token))).body, { sub: user.sub, ...email });
  // The header is what makes the browser ask before.
  assert.match(provider.log(), /OPTIONS[^\n]*userinfo/);
  const refresh = { grant_type: 'refresh_token', client_id, refresh_token: tokens.refresh_token };
  const renewed = await read(page, `${provider.issuer}/token`, post(refresh));
  assert.equal((await read(page, userinfo, bearer(renewed.body.access_token))).body.sub, user.sub);
  const token = renewed.body.refresh_token;
  assert.equal((await read(page, `${provider.issuer}/revoke`, post({ client_id, token }))).status, 200);
  assert.deepEqual(complaints, []);

  // Errors are answers too.
  const { status: refused, challenge } = await read(page, userinfo, bearer(renewed.body.access_token));
  assert.equal(refused, 401);
  assert.match(challenge, /^Bearer .*error="invalid_token"/);
  const again = await read(page, `${provider.issuer}/token`, post({ ...refresh, refresh_token: token }));
  assert.deepEqual([again.status, again.body.error], [400, 'invalid_grant']);
});

test('a page of another origin reads none of it, and neither does a frame without one', async () => {
  const user = await provider.user();
  const { page, context } = await open();
  const { body: tokens } = await read(page, `${provider.issuer}/token`, post(await atTheApplication(page, user)));
  const other = await context.newPage();
  for (const address of [`${stranger.origin}/callback`, `http://127.0.0.1:${app.port}/callback`, app.origin]) {
    await other.goto(address);
    // A frame of the very application, whose sandbox takes its origin away.
    const script = address === app.origin ? other.frames().at(-1) : other;
    assert.notEqual(await script.evaluate(() => globalThis.origin), app.origin);
    const refused = async (path, options) => {
      const said = other.waitForEvent('console', (message) => /has been blocked by CORS policy/.test(message.text()));
      assert.equal(await read(script, provider.issuer + path, options), NOTHING, `${address} ${path}`);
      await said;
    };
    await refused('/token', post(await atTheApplication(page, user)));
    await refused('/userinfo', bearer(tokens.access_token));
    await refused('/userinfo', post({ access_token: tokens.access_token }));
    await refused('/revoke', post({ client_id, token: 'x' }));
  }
});

test('no page reads what is for a person, or for servers, with the cookie or without', async () => {
  const { page, context } = await open();
  const authorize = await request(client.randomPKCECodeVerifier());
  await page.goto(authorize);
  const interaction = page.url();
  assert.match(interaction, /\/interaction\//);
  const other = await context.newPage();
  for (const { origin } of [app, stranger]) {
    await other.goto(`${origin}/callback`);
    for (const url of [authorize, interaction, `${provider.issuer}/`, `${provider.issuer}/logout`]) {
      for (const credentials of ['include', 'omit']) {
        assert.equal(await read(other, url, { credentials }), NOTHING, url);
        // Not even as something that a page could show and not read.
        assert.equal(await read(other, url, { credentials, mode: 'no-cors' }), NOTHING, url);
      }
    }
    assert.equal(await read(other, `${provider.issuer}/introspect`, post({ token: 'x' })), NOTHING);
    // The tokens of a page are its own business: the provider's cookie never has a part in it.
    const fields = { grant_type: 'refresh_token', client_id, refresh_token: 'x' };
    assert.equal(await read(other, `${provider.issuer}/token`, post(fields, { credentials: 'include' })), NOTHING);
  }
});

test('discovery and the keys are for every page', async () => {
  const { page, complaints } = await open();
  for (const address of [app.origin, stranger.origin]) {
    await page.goto(address);
    for (const script of [page, page.frames().at(-1)]) {
      const { body: metadata } = await read(script, `${provider.issuer}/.well-known/openid-configuration`);
      assert.equal(metadata.issuer, provider.issuer);
      const { body: keys } = await read(script, metadata.jwks_uri);
      assert.ok(keys.keys.length > 0);
    }
  }
  assert.deepEqual(complaints, []);
});
