// What an application may have of an account is asked on a page, of the person, by what they can read there: once, and
// again when it is more. By keyboard alone, and without JavaScript.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import * as client from 'openid-client';
import { openWindow, press, shoot, shown, startBrowser } from './support/browser.js';
import { startProvider } from './support/provider.js';
import { authenticate, MFA, parts, refused, registered } from './support/relying_party.js';
import { startShop } from './support/shop.js';
import { code } from './support/totp.js';
import { focused, signIn, strike, typeSignIn, visitor } from './support/visitor.js';

const RESOURCE = 'http://localhost:9';
const ALLOW = 'button[value=continue]';
let provider;
let browser;
let shop;

before(async () => {
  provider = await startProvider();
  browser = await startBrowser();
  shop = await startShop(provider);
  await provider.client({ client_name: 'Acme Payments', resource: RESOURCE, scopes_supported: ['payments'] });
});

after(async () => {
  await browser?.close();
  shop?.close();
  await provider?.stop();
});

const open = () => openWindow(browser, [provider.issuer, shop.origin]);

/** An application that has to ask. */
const calendar = (more = {}) =>
  registered(provider, { client_name: 'Acme Calendar', redirect_uris: [shop.redirect], skip_consent: false, ...more });

/** The application sends the person in `page`, and gets its tokens. */
const visit = (config, page, wishes, act, options) =>
  authenticate(config, visitor(page, act), { redirect_uri: shop.redirect, ...wishes }, options);

/** Somebody who is signed in, and has approved nothing. */
async function inside() {
  const user = await provider.user();
  const window = await open();
  await window.page.goto(shop.request());
  await signIn(window.page, user);
  return { user, ...window };
}

/** Nothing is chosen yet when the page opens: a key that is still held from the page before presses nothing. */
async function readConsent(page) {
  assert.equal(await shown(page), 'consent');
  await focused(page, 'h1');
  await page.keyboard.press('Enter');
  assert.equal(await shown(page), 'consent');
  await page.keyboard.press('Tab');
  await focused(page, ALLOW);
}

async function allow(page) {
  await readConsent(page);
  await strike(page, 'Enter');
}

async function refuse(page) {
  await readConsent(page);
  await page.keyboard.press('Tab');
  await focused(page, 'button[value=decline]');
  await strike(page, 'Enter');
}

async function signOut(page) {
  await page.goto(provider.issuer);
  await press(page, 'continue');
  assert.equal(await shown(page), 'logged-out');
}

const list = (page) => page.locator('li').allInnerTexts();
const text = (page) => page.locator('main').innerText();

test('an application says what it wants and for how long, is allowed it by keyboard, and asks once', async () => {
  const user = await provider.user();
  const { page, complaints } = await open();
  const config = await calendar();
  const scope = 'openid profile email';
  const { tokens, claims } = await visit(config, page, { scope }, async () => {
    await typeSignIn(page, user);
    assert.equal(await shown(page), 'consent');
    assert.equal(await page.locator('h1').innerText(), 'Allow Acme Calendar?');
    assert.match(await text(page), new RegExp(`You will go on to localhost\\.\\s+Account: ${user.name}\\s`));
    assert.deepEqual(await list(page), [
      'know that it is you, when you come back too',
      'see your profile: name, picture, birthday, language and the like',
      'see your e-mail address',
    ]);
    assert.match(await text(page), /Its access ends when you sign out here\./);
    await shoot(page, 'consent');
    await allow(page);
  });
  assert.equal(claims.sub, user.sub);
  assert.deepEqual([tokens.scope, parts(tokens.access_token)[1].scope], [scope, scope]);
  const info = await client.fetchUserInfo(config, tokens.access_token, claims.sub);
  assert.deepEqual([info.preferred_username, info.email], [user.name, `${user.name}@example.com`]);

  for (const fewer of [scope, 'openid email']) {
    const again = await visit(config, page, { scope: fewer });
    assert.deepEqual([again.tokens.scope, again.claims.sid], [fewer, claims.sid]);
  }
  // What was approved is the person's, in whatever browser, and the application's: another one asks for itself.
  const elsewhere = await open();
  await visit(config, elsewhere.page, { scope }, () => signIn(elsewhere.page, user));
  await visit(await calendar(), page, { scope }, () => allow(page));
  assert.deepEqual([...complaints, ...elsewhere.complaints], []);
});

test('one scope more is asked for, and remembered with the others', async () => {
  const { page, complaints } = await inside();
  const config = await calendar();
  await visit(config, page, { scope: 'openid' }, () => allow(page));
  await visit(config, page, { scope: 'openid email' }, async () => {
    assert.ok((await list(page)).includes('see your e-mail address'));
    await allow(page);
  });
  assert.equal((await visit(config, page, { scope: 'openid email' })).tokens.scope, 'openid email');
  assert.deepEqual(complaints, []);
});

test('what an application wants of an API is told with the name of the API', async () => {
  const { page } = await inside();
  const config = await calendar();
  const wishes = { scope: 'openid payments', resource: RESOURCE };
  const { tokens } = await visit(config, page, wishes, async () => {
    assert.deepEqual((await list(page)).slice(1), ['use Acme Payments in your name: “payments”']);
    await allow(page);
  }, { token: { resource: RESOURCE } });
  const [, payload] = parts(tokens.access_token);
  assert.deepEqual([payload.aud, payload.scope], [RESOURCE, 'payments']);
  await visit(config, page, wishes);
});

test('prompt=consent asks again, whoever has approved the application before', async () => {
  const { page } = await inside();
  const asking = await calendar();
  await visit(asking, page, { scope: 'openid' }, () => allow(page));
  const approved = await calendar({ skip_consent: true });
  await visit(approved, page, { scope: 'openid' });
  for (const config of [asking, approved]) {
    await visit(config, page, { scope: 'openid', prompt: 'consent' }, () => allow(page));
  }
  const anew = visit(asking, page, { scope: 'openid', prompt: 'consent' }, () => refuse(page));
  await assert.rejects(anew, refused('access_denied'));
  // What was approved before stands.
  await visit(asking, page, { scope: 'openid', prompt: 'none' });
});

test('who does not allow it stays signed in, and is asked the next time', async () => {
  const user = await provider.user();
  const { page, complaints } = await open();
  const config = await calendar();
  const denied = refused('access_denied');
  await assert.rejects(visit(config, page, {}, async () => (await signIn(page, user), refuse(page))), denied);
  await page.goto(provider.issuer);
  assert.equal(await shown(page), 'home');
  assert.deepEqual(await list(page), [user.name]);
  await assert.rejects(visit(config, page, {}, () => refuse(page)), denied);
  await visit(config, page, {}, () => allow(page));
  assert.deepEqual(complaints, []);
});

test('access without the person is named as such, and outlives the sign-out; other access does not', async () => {
  const { page, user, complaints } = await inside();
  const config = await calendar({ grant_types: ['authorization_code', 'refresh_token'] });
  const bound = await visit(config, page, { scope: 'openid' }, () => allow(page));
  const { tokens, claims } = await visit(config, page, { scope: 'openid offline_access' }, async () => {
    assert.ok((await list(page)).includes('keep this access when you are not signed in'));
    assert.match(await text(page), /keeps this access after you sign out: 180 days at most, and 30 days without being used\./);
    await shoot(page, 'consent-offline');
    await allow(page);
  });
  assert.equal(tokens.scope, 'openid offline_access');
  await signOut(page);
  const renewed = await client.refreshTokenGrant(config, tokens.refresh_token);
  const told = renewed.claims();
  assert.deepEqual([told.sub, told.sid, told.auth_time], [user.sub, claims.sid, claims.auth_time]);
  assert.equal((await client.fetchUserInfo(config, renewed.access_token, user.sub)).sub, user.sub);
  await assert.rejects(client.refreshTokenGrant(config, bound.tokens.refresh_token), refused('invalid_grant'));
  await assert.rejects(visit(config, page, { prompt: 'none' }), refused('login_required'));
  assert.deepEqual(complaints, []);
});

test('an application that may not refresh is not asked about access without the person', async () => {
  const { page } = await inside();
  const { tokens } = await visit(await calendar(), page, { scope: 'openid offline_access' }, async () => {
    assert.deepEqual(await list(page), ['know that it is you, when you come back too']);
    await allow(page);
  });
  assert.deepEqual([tokens.scope, tokens.refresh_token], ['openid', undefined]);
});

test('prompt=none is refused before the approval, and silent after it', async () => {
  const { page, complaints } = await inside();
  const config = await calendar();
  const silent = { scope: 'openid email', prompt: 'none' };
  await assert.rejects(visit(config, page, silent), refused('consent_required'));
  await visit(config, page, { scope: 'openid' }, () => allow(page));
  await assert.rejects(visit(config, page, silent), refused('consent_required'));
  await visit(config, page, { scope: 'openid email' }, () => allow(page));
  assert.equal((await visit(config, page, silent)).tokens.scope, 'openid email');
  assert.deepEqual(complaints, []);
});

test('with a step-up the approval comes first, and a refusal spares the code', async () => {
  const { page, user } = await inside();
  const config = await calendar();
  const wishes = { acr_values: MFA, max_age: '300' };
  await assert.rejects(visit(config, page, wishes, () => refuse(page)), refused('access_denied'));
  const { claims } = await visit(config, page, wishes, async () => {
    await allow(page);
    assert.equal(await shown(page), 'totp');
    await focused(page, 'input[name=code]');
    await page.keyboard.type(code(user.otpauth));
    await strike(page, 'Enter');
  });
  assert.equal(claims.acr, MFA);
});
