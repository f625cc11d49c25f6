// An authenticator that does not verify who touches it (WebAuthn §7.2 step 17): the browser does not take it for a passkey, and
// where a browser does, the server does not.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { plugIn } from './support/authenticator.js';
import { openWindow, press, shown, startBrowser } from './support/browser.js';
import { leave, prove, setUp, use } from './support/factors.js';
import { startProvider } from './support/provider.js';
import { startShop } from './support/shop.js';
import { signIn } from './support/visitor.js';

const MFA = 'urn:stepgate:acr:mfa';
const STATUS = 'That was cancelled or did not work. Try again, or choose another way.';
const SENTENCE = 'That did not work. Try again, or choose another way.';
const PROBLEM = '#problem';
const CALLBACK = 'body[data-page=callback]';
const NO_FINGER = { hasUserVerification: false, isUserVerified: false };
let provider;
let browser;
let shop;

before(async () => {
  provider = await startProvider();
  browser = await startBrowser();
  shop = await startShop(provider);
});

after(async () => {
  await browser?.close();
  shop?.close();
  await provider?.stop();
});

/** Somebody who is signed in by a password, with a device. */
async function inside(kind, device) {
  const { page, complaints } = await openWindow(browser, [provider.issuer, shop.origin], { javaScriptEnabled: true });
  const has = { user: await provider.user(kind), device: await plugIn(page, device) };
  await page.goto(shop.request());
  await signIn(page, has.user);
  return { page, complaints, has };
}

const problem = (page) => page.locator('[aria-live] #problem').innerText();

/** Somebody touches it, and the page says that it came to nothing. */
async function inVain(page, device) {
  await use(page, device, `[data-status]:text-is("${STATUS}")`);
}

async function stays(page) {
  await page.goto(shop.request({ prompt: 'none' }));
  assert.match(page.url(), /[?&]code=/);
}

/** A browser that does not insist on it, though it was told to; and offers nothing in the autofill. */
async function careless(page) {
  await page.addInitScript(() => { PublicKeyCredential.isConditionalMediationAvailable = async () => false; });
  await page.route(/\/options$/, async (route) => {
    const response = await route.fetch();
    const json = await response.json();
    const where = json.options.authenticatorSelection ?? json.options;
    assert.equal(where.userVerification, 'required');
    where.userVerification = 'discouraged';
    delete json.options.extensions;
    if (where.residentKey) Object.assign(where, { residentKey: 'discouraged', requireResidentKey: false });
    await route.fulfill({ response, json });
  });
}

test('a passkey whose user is not verified proves nothing, the page says so, and another way works', async () => {
  const { page, has, complaints } = await inside();
  await setUp(page, provider, 'continue', has);
  await has.device.verifies(false);
  await page.goto(shop.request({ acr_values: MFA, prompt: 'login' }));
  assert.equal(await shown(page), 'passkey');
  await inVain(page, has.device);
  await stays(page);
  await page.goto(shop.request({ acr_values: MFA, prompt: 'login' }));
  await inVain(page, has.device);
  await press(page, 'other-way');
  assert.deepEqual(await prove(page, has), ['password', 'totp']);
  assert.match(page.url(), /[?&]code=/);
  assert.deepEqual(complaints, []);
});

test('an answer without user verification proves nothing either, at a step-up and at the sign-in', async () => {
  const { page, has } = await inside();
  await setUp(page, provider, 'continue', has);
  await has.device.verifies(false);
  await careless(page);
  await page.goto(shop.request({ acr_values: 'phr', prompt: 'login' }));
  assert.equal(await shown(page), 'passkey');
  await use(page, has.device, PROBLEM);
  assert.equal(await shown(page), 'passkey');
  assert.equal(await problem(page), SENTENCE);
  await stays(page);
  await leave(page, provider);
  await page.goto(shop.request());
  assert.equal(await shown(page), 'login');
  await use(page, has.device, PROBLEM);
  assert.equal(await shown(page), 'login');
  assert.equal(await problem(page), SENTENCE);
  await page.goto(shop.request({ prompt: 'none' }));
  assert.match(page.url(), /error=login_required/);
  // The same device, and it does: what was missing was the verification.
  await page.unroute(/\/options$/);
  await has.device.verifies(true);
  await page.goto(shop.request());
  await use(page, has.device, CALLBACK);
  assert.match(page.url(), /[?&]code=/);
});

test('a device that can not verify its user is not made a passkey, whatever the browser says', async () => {
  const { page, has } = await inside({ totp: false }, NO_FINGER);
  const enrol = async () => {
    await page.goto(`${provider.issuer}/account/passkeys`);
    await press(page, 'continue');
    assert.equal(await shown(page), 'enrol-passkey');
  };
  await enrol();
  await inVain(page, has.device);
  await careless(page);
  await enrol();
  await use(page, has.device, PROBLEM);
  assert.equal(await shown(page), 'enrol-passkey');
  assert.equal(await problem(page), SENTENCE);
  await page.goto(`${provider.issuer}/account/passkeys`);
  assert.match(await page.locator('main').innerText(), /You have none yet\./);
  await stays(page);
});
