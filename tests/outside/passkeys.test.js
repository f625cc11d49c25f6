// Passkeys in a real browser, with a virtual authenticator: made, used at sign-in and again, declined, removed.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { plugIn, SECURITY_KEY } from './support/authenticator.js';
import { accessible } from './support/axe.js';
import { button, openWindow, press, shoot, shown, startBrowser } from './support/browser.js';
import { use } from './support/factors.js';
import { PASSWORD, startProvider } from './support/provider.js';
import { startShop } from './support/shop.js';
import { code } from './support/totp.js';

const MFA = 'urn:stepgate:acr:mfa';
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

const open = (options) => openWindow(browser, [provider.issuer, shop.origin], { javaScriptEnabled: true, ...options });

const at = (page, name) => page.locator(`body[data-page=${name}]`).waitFor();

async function signIn(page, user) {
  await page.goto(shop.request());
  await page.fill('input[name=username]', user.name);
  await page.fill('input[name=password]', PASSWORD);
  await press(page, 'continue');
  await at(page, 'callback');
}

/** On the account page, from the button to the end. */
async function addPasskey(page, authenticator) {
  await page.goto(`${provider.issuer}/account/passkeys`);
  await press(page, 'continue');
  await at(page, 'enrol-passkey');
  await authenticator.tap(async () => {
    await button(page, 'continue').click();
    await at(page, 'recovery-codes');
  });
  await press(page, 'decline');
  await at(page, 'account-passkeys');
}

test('a passkey is made on the account page and signs in by the button', async () => {
  const user = await provider.user({ totp: false });
  const { page, complaints } = await open();
  const phone = await plugIn(page);
  await signIn(page, user);
  await addPasskey(page, phone);
  assert.match(await page.locator('main').innerText(), /It is added\.[^]*On one device only[^]*Not used yet/);
  await shoot(page, 'account-passkeys');
  await accessible(page);
  assert.equal((await phone.credentials()).length, 1);
  await page.goto(`${provider.issuer}/`);
  await press(page, 'forget');
  await at(page, 'logged-out');
  await page.goto(shop.request());
  await at(page, 'login');
  await shoot(page, 'login-with-passkey');
  await accessible(page);
  assert.equal(await page.getByRole('button', { name: 'Sign in with a passkey' }).count(), 1);
  await use(page, phone, 'body[data-page=callback]');
  assert.match(page.url(), /[?&]code=/);
  assert.deepEqual(complaints, []);
});

test('a passkey signs in from the autofill, and nothing begins by itself before somebody is there', async () => {
  const user = await provider.user({ totp: false });
  const { page } = await open();
  const phone = await plugIn(page);
  await signIn(page, user);
  await addPasskey(page, phone);
  await page.goto(`${provider.issuer}/`);
  await press(page, 'forget');
  const begun = page.waitForResponse((response) => response.url().endsWith('/options'));
  await page.goto(shop.request());
  await at(page, 'login');
  await begun;
  assert.equal(await shown(page), 'login');
  // Whoever is there chooses the passkey that the field offers; the browser of a test does so if somebody is there when the
  // page asks.
  await phone.tap(async () => {
    await page.reload();
    await at(page, 'callback');
  });
  assert.match(page.url(), /[?&]code=/);
});

test('a step-up asks for the passkey by itself after a click, takes another way and back, and can be declined', async () => {
  const user = await provider.user();
  const { page } = await open();
  const phone = await plugIn(page);
  await signIn(page, user);
  await page.goto(`${provider.issuer}/account/passkeys`);
  await press(page, 'continue');
  await page.fill('input[name=code]', code(user.otpauth));
  await press(page, 'continue');
  await at(page, 'enrol-passkey');
  await shoot(page, 'enrol-passkey');
  await accessible(page);
  await phone.tap(async () => {
    await button(page, 'continue').click();
    await at(page, 'recovery-codes');
  });
  await shoot(page, 'recovery-codes');
  await accessible(page);
  await press(page, 'continue');
  await at(page, 'account-passkeys');
  assert.match(await page.locator('main').innerText(), /You have 10 recovery codes left/);

  await page.goto(shop.request({ acr_values: MFA, prompt: 'login' }));
  await at(page, 'passkey');
  await shoot(page, 'passkey');
  await accessible(page);
  assert.match(await page.locator('main').innerText(), /Acme Shop asks you to prove anew that it is you, with your passkey\./);
  await press(page, 'other-way');
  assert.equal(await shown(page), 'password');
  await press(page, 'other-way');
  await at(page, 'passkey');
  await press(page, 'decline');
  await at(page, 'callback');
  assert.match(page.url(), /error=unmet_authentication_requirements/);
  await page.goto(shop.request({ acr_values: MFA, prompt: 'login' }));
  await at(page, 'passkey');
  await use(page, phone, 'body[data-page=callback]');
  assert.match(page.url(), /[?&]code=/);
});

test('who has only a password sets up a passkey in the middle of a step-up, or an app', async () => {
  const [first, second] = [await provider.user({ totp: false }), await provider.user({ totp: false })];
  const { page } = await open();
  const phone = await plugIn(page);
  await signIn(page, first);
  await page.goto(shop.request({ acr_values: 'phr' }));
  await page.fill('input[name=password]', PASSWORD);
  await press(page, 'continue');
  await at(page, 'enrol-passkey');
  await phone.tap(async () => {
    await button(page, 'continue').click();
    await at(page, 'recovery-codes');
  });
  await press(page, 'continue');
  await at(page, 'callback');
  assert.match(page.url(), /[?&]code=/);

  const { page: other } = await open({ javaScriptEnabled: false });
  await other.goto(shop.request({ acr_values: MFA }));
  await other.fill('input[name=username]', second.name);
  await other.fill('input[name=password]', PASSWORD);
  await press(other, 'continue');
  assert.equal(await shown(other), 'enrol-passkey');
  assert.match(await other.locator('main').innerText(), /Passkeys need JavaScript/);
  await press(other, 'other-way');
  assert.equal(await shown(other), 'enrol-totp');
  await shoot(other, 'enrol-totp');
  const secret = (await other.locator('#secret').innerText()).replaceAll(' ', '');
  await other.fill('input[name=code]', code(`otpauth://totp/x?secret=${secret}`));
  await press(other, 'continue');
  await press(other, 'decline');
  assert.equal(await shown(other), 'callback');
  assert.match(other.url(), /[?&]code=/);
});

test('a security key counts beside a password, and a passkey that was removed is not asked for', async () => {
  const user = await provider.user({ totp: false });
  const { page } = await open();
  const key = await plugIn(page, SECURITY_KEY);
  await signIn(page, user);
  await page.goto(`${provider.issuer}/account/passkeys`);
  await press(page, 'security-key');
  await at(page, 'enrol-passkey');
  await key.tap(async () => {
    await button(page, 'continue').click();
    await at(page, 'recovery-codes');
  });
  await press(page, 'decline');
  await at(page, 'account-passkeys');
  await page.goto(shop.request({ acr_values: MFA, max_age: '0' }));
  await at(page, 'passkey');
  assert.equal(await button(page, 'continue').innerText(), 'Use your security key');
  await use(page, key, 'body[data-page=password]');
  await page.fill('input[name=password]', PASSWORD);
  await press(page, 'continue');
  await at(page, 'callback');
  assert.match(page.url(), /[?&]code=/);
  await page.goto(`${provider.issuer}/account/passkeys`);
  await press(page, 'remove');
  await at(page, 'account-passkeys');
  assert.match(await page.locator('main').innerText(), /It is removed\.[^]*You have none yet/);
});

test('the accounts of this browser are offered after the sign-out, on a small phone and in German too', async () => {
  const user = await provider.user({ totp: false });
  const { page } = await open({ viewport: { width: 320, height: 640 }, locale: 'de-AT' });
  await signIn(page, user);
  await page.goto(`${provider.issuer}/`);
  await press(page, 'continue');
  await page.goto(shop.request());
  await at(page, 'select-account');
  assert.match(await page.locator('main').innerText(), new RegExp(`Als ${user.name} anmelden`));
  await shoot(page, 'select-account-remembered');
  await accessible(page);
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= 320));
  await button(page, 'continue').first().click();
  await at(page, 'login');
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= 320));
  await press(page, 'other-account');
  await page.goto(shop.request());
  await at(page, 'select-account');
  await press(page, 'forget-account');
  await at(page, 'login');
});

test('password managers are told which passkeys are good, and which one is not any more', async () => {
  const user = await provider.user({ totp: false });
  const { page } = await open();
  const signals = {};
  await page.exposeFunction('signalled', (name, said) => { signals[name] = said; });
  await page.addInitScript(() => {
    for (const name of ['signalAllAcceptedCredentials', 'signalCurrentUserDetails', 'signalUnknownCredential'])
      PublicKeyCredential[name] = (said) => window.signalled(name, said);
  });
  const phone = await plugIn(page);
  await signIn(page, user);
  await addPasskey(page, phone);
  const [{ credentialId, userHandle }] = await phone.credentials();
  const url = (base64) => base64.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
  const own = { rpId: 'localhost', userId: url(userHandle) };
  const told = async (name, is) => {
    for (let tries = 0; !(signals[name] && is(signals[name])) && tries < 200; tries++) await page.waitForTimeout(20);
    return signals[name];
  };
  await told('signalCurrentUserDetails', () => true);
  assert.deepEqual(signals, {
    signalAllAcceptedCredentials: { ...own, allAcceptedCredentialIds: [url(credentialId)] },
    signalCurrentUserDetails: { ...own, name: user.name, displayName: user.name },
  });
  await press(page, 'remove');
  if ((await shown(page)) === 'passkey')
    await use(page, phone, 'body[data-page=account-passkeys]');
  const none = await told('signalAllAcceptedCredentials', (said) => said.allAcceptedCredentialIds.length === 0);
  assert.deepEqual(none, { ...own, allAcceptedCredentialIds: [] });
  await page.goto(`${provider.issuer}/`);
  await press(page, 'forget');
  await page.goto(shop.request());
  await at(page, 'login');
  await use(page, phone, 'text=not known here any more');
  const unknown = await told('signalUnknownCredential', () => true);
  assert.deepEqual(unknown, { rpId: 'localhost', credentialId: url(credentialId) });
});

test('the keyboard alone adds a passkey and proves with it, and the first page is small', async () => {
  const user = await provider.user({ totp: false });
  const { page } = await open();
  const phone = await plugIn(page);
  await signIn(page, user);
  await page.goto(`${provider.issuer}/account/passkeys`);
  while ((await page.evaluate(() => document.activeElement.textContent)) !== 'Add a passkey') await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await at(page, 'enrol-passkey');
  await page.locator('[data-go]:focus').waitFor();
  await phone.tap(async () => {
    await page.keyboard.press('Enter');
    await at(page, 'recovery-codes');
  });
  await press(page, 'continue');
  await page.goto(shop.request({ prompt: 'login', acr_values: 'phr' }));
  await at(page, 'passkey');
  await page.locator('[data-go]:focus').waitFor();
  await phone.tap(async () => {
    await page.keyboard.press('Enter');
    await at(page, 'callback');
  });
  assert.match(page.url(), /[?&]code=/);
  const first = await (await fetch(shop.request(), { redirect: 'manual' })).headers;
  const cookie = first.getSetCookie()[0].split(';')[0];
  const html = await (await fetch(new URL(first.get('location'), provider.issuer), { headers: { cookie } })).text();
  assert.ok(html.includes('data-page="login"') && html.length < 30_000, `${html.length} bytes`);
});
