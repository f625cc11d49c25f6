// `openid-client` sees what was proved, how and when, for each way to prove: at first, anew when it has become too old, and
// when the factor is gone.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { plugIn, SECURITY_KEY } from './support/authenticator.js';
import { openWindow, press, shown, startBrowser } from './support/browser.js';
import { leave, prove, setUp } from './support/factors.js';
import { startProvider } from './support/provider.js';
import { authenticate, MFA, PWD, refused, registered } from './support/relying_party.js';
import { startShop } from './support/shop.js';
import { signIn, visitor } from './support/visitor.js';

const PHR = 'phr';
let provider;
let browser;
let shop;
let config;

before(async () => {
  provider = await startProvider();
  browser = await startBrowser();
  shop = await startShop(provider);
  config = await registered(provider, { client_name: 'Acme Shop', redirect_uris: [shop.redirect] });
});

after(async () => {
  await browser?.close();
  shop?.close();
  await provider?.stop();
});

const later = (time) => sleep(Math.max(0, (time + 2) * 1000 + 20 - Date.now()));
const now = () => Math.floor(Date.now() / 1000);
const triple = ({ acr, amr, auth_time }) => [acr, amr, auth_time];

const PASSKEY = ['webauthn', 'pop', 'user', 'mfa'];
const reset = (page, has) => provider.resetMfa(has.user);

async function remove(page, has) {
  await page.goto(`${provider.issuer}/account/passkeys`);
  await press(page, 'remove');
  await prove(page, has, ['account-passkeys']);
  assert.match(await page.locator('main').innerText(), /It is removed\./);
}

/** What is set up and how it is proved; what the tokens say; what is left in the session when the factor is gone. */
const WAYS = [
  { what: 'a password', asks: PWD, says: [PWD, ['pwd']], first: ['password'], again: ['password'] },
  {
    what: 'a password and a code of an app', totp: true, asks: MFA, says: [MFA, ['pwd', 'otp', 'mfa']],
    first: ['password', 'totp'], again: ['totp'], gone: reset, left: PWD,
  },
  {
    what: 'a passkey alone', device: {}, makes: 'continue', bare: true, asks: PHR, says: [PHR, PASSKEY],
    first: ['login'], again: ['passkey'], gone: reset, left: null,
  },
  {
    what: 'a passkey after a password', device: {}, makes: 'continue', asks: PHR, says: [PHR, PASSKEY],
    first: ['passkey'], again: ['passkey'], gone: remove, left: PWD,
  },
  ...[reset, remove].map((gone) => ({
    what: `a security key after a password (${gone.name})`, device: SECURITY_KEY, makes: 'security-key', asks: PHR,
    says: [PHR, ['pwd', 'webauthn', 'pop', 'mfa']], first: ['passkey', 'password'], again: ['passkey'], gone, left: PWD,
  })),
  {
    what: 'a recovery code after a password', totp: true, makes: 'codes', asks: MFA, says: [MFA, ['pwd', 'otp', 'mfa']],
    first: ['password', 'totp', 'recovery'], again: ['totp', 'recovery'], gone: reset, left: PWD,
  },
];

for (const { what, totp = false, device, makes, bare, asks, says, first, again, gone, left } of WAYS) {
  test(`${what} is stated as it was, stated anew, and no more when it is gone`, async () => {
    const { page, complaints } = await openWindow(browser, [provider.issuer, shop.origin], { javaScriptEnabled: true });
    const has = { user: await provider.user({ totp }), device: device && (await plugIn(page, device)) };
    const visit = async (wishes) => {
      let pages = [];
      const began = now();
      const act = async () => (pages = await prove(page, has));
      const { claims } = await authenticate(config, visitor(page, act), { redirect_uri: shop.redirect, ...wishes });
      return { claims, pages, began };
    };
    await page.goto(shop.request());
    await signIn(page, has.user);
    const entered = (await visit({})).claims;
    if (makes) await setUp(page, provider, makes, has);
    if (bare) await leave(page, provider);
    has.bare = bare;

    const wish = bare ? { acr_values: asks } : { acr_values: asks, prompt: 'login' };
    const shownFirst = await visit(wish);
    const { claims } = shownFirst;
    assert.deepEqual([...shownFirst.pages].sort(), [...first].sort());
    assert.deepEqual([claims.acr, claims.amr], says);
    assert.ok(shownFirst.began <= claims.auth_time && claims.auth_time <= claims.iat);
    // The strongest that holds is stated to whoever asks for nothing, and it is no newer for that.
    assert.deepEqual(triple((await visit({ prompt: 'none' })).claims), triple(claims));

    await later(claims.auth_time);
    await assert.rejects(visit({ acr_values: asks, max_age: '1', prompt: 'none' }), refused('login_required'));
    const anew = await visit({ acr_values: asks, max_age: '1' });
    assert.deepEqual(anew.pages, again);
    assert.deepEqual([anew.claims.acr, anew.claims.amr, anew.claims.sid], [...says, claims.sid]);
    assert.ok(claims.auth_time + 2 <= anew.claims.auth_time && anew.began <= anew.claims.auth_time);

    if (!gone) return assert.deepEqual(complaints, []);
    await gone(page, has);
    const silent = visit({ prompt: 'none' });
    if (!left) await assert.rejects(silent, refused('login_required'));
    else {
      const rest = (await silent).claims;
      assert.deepEqual([rest.acr, rest.amr, rest.sid], [left, ['pwd'], claims.sid]);
      assert.ok(entered.auth_time <= rest.auth_time && rest.auth_time <= anew.claims.auth_time);
      await assert.rejects(visit({ acr_values: asks, prompt: 'none' }), refused('interaction_required'));
    }
    assert.equal(await shown(page), 'callback');
    assert.deepEqual(complaints, []);
  });
}
