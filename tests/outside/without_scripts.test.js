// Where JavaScript is off, everything works but passkeys; and their pages say so, and lead on.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { plugIn } from './support/authenticator.js';
import { button, openWindow, press, shown, startBrowser } from './support/browser.js';
import { nextCode, prove, setUp } from './support/factors.js';
import { PASSWORD, startProvider } from './support/provider.js';
import { startShop } from './support/shop.js';
import { code } from './support/totp.js';
import { signIn } from './support/visitor.js';

const MFA = 'urn:stepgate:acr:mfa';
const NEED = /Passkeys need JavaScript, which is off in this browser\. Choose another way\./;
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

const open = (javaScriptEnabled = false) => openWindow(browser, [provider.issuer, shop.origin], { javaScriptEnabled });

async function say(page, name, value) {
  await page.fill(`input[name=${name}]`, value);
  await press(page, 'continue');
}

test('without scripts a person signs in with a code, allows or refuses an application, and signs out', async () => {
  const user = await provider.user({ secondFactor: 'sign-in' });
  const { client_id } = await provider.client({ client_name: 'Acme Calendar', redirect_uris: [shop.redirect] });
  const { page, complaints } = await open();
  await page.goto(shop.request({ client_id }));
  assert.equal(await shown(page), 'login');
  assert.match(await page.locator('main').innerText(), /Passkeys need JavaScript/);
  assert.equal(await page.getByRole('button', { name: 'Sign in with a passkey' }).count(), 0);
  await signIn(page, user);
  assert.equal(await shown(page), 'totp');
  await say(page, 'code', code(user.otpauth));
  assert.equal(await shown(page), 'consent');
  await press(page, 'decline');
  assert.match(page.url(), /\/callback\?error=access_denied/);
  await page.goto(shop.request({ client_id }));
  assert.equal(await shown(page), 'consent');
  await press(page, 'continue');
  assert.match(page.url(), /\/callback\?code=/);
  await page.goto(`${provider.issuer}/logout`);
  await press(page, 'continue');
  assert.equal(await shown(page), 'logged-out');
  await page.goto(shop.request({ prompt: 'none' }));
  assert.match(page.url(), /error=login_required/);
  assert.deepEqual(complaints, []);
});

test('without scripts an app is set up in the middle of a step-up, and serves the next one', async () => {
  const user = await provider.user({ totp: false });
  const { page, complaints } = await open();
  await page.goto(shop.request({ acr_values: MFA }));
  await signIn(page, user);
  assert.equal(await shown(page), 'enrol-passkey');
  assert.match(await page.locator('main').innerText(), NEED);
  await press(page, 'other-way');
  assert.equal(await shown(page), 'enrol-totp');
  const secret = (await page.locator('#secret').innerText()).replaceAll(' ', '');
  user.otpauth = `otpauth://totp/x?secret=${secret}`;
  user.asked = 0;
  await say(page, 'code', nextCode(user));
  assert.equal(await shown(page), 'recovery-codes');
  await press(page, 'continue');
  assert.match(page.url(), /\/callback\?code=/);
  await page.goto(shop.request({ acr_values: MFA, max_age: '0' }));
  const pages = await prove(page, { user });
  assert.deepEqual(pages.sort(), ['password', 'totp']);
  assert.match(page.url(), /\/callback\?code=/);
  assert.deepEqual(complaints, []);
});

test('without scripts the page of a passkey says what is missing, does nothing, and leads another way', async () => {
  const user = await provider.user();
  const { page: scripted } = await open(true);
  const device = await plugIn(scripted);
  await scripted.goto(shop.request());
  await signIn(scripted, user);
  await setUp(scripted, provider, 'continue', { user, device });

  const { page, complaints } = await open();
  await page.goto(shop.request());
  await signIn(page, user);
  await page.goto(shop.request({ acr_values: MFA, prompt: 'login' }));
  assert.equal(await shown(page), 'passkey');
  assert.match(await page.locator('main').innerText(), NEED);
  // Who presses it all the same has proved nothing, and is told so.
  await press(page, 'continue');
  assert.equal(await shown(page), 'passkey');
  assert.match(await page.locator('#problem').innerText(), /did not work\. Try again, or choose another way\./);
  assert.equal(await button(page, 'other-way').innerText(), 'Try another way: password');
  await press(page, 'other-way');
  assert.equal(await shown(page), 'password');
  await say(page, 'password', PASSWORD);
  assert.equal(await shown(page), 'totp');
  await say(page, 'code', nextCode(user));
  assert.match(page.url(), /\/callback\?code=/);
  assert.deepEqual(complaints, []);
});
