// Whole ways by Tab and Enter alone: each control is reached, and shows that it has the focus.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { plugIn } from './support/authenticator.js';
import { openWindow, shown, startBrowser } from './support/browser.js';
import { setUp } from './support/factors.js';
import { PASSWORD, startProvider } from './support/provider.js';
import { startShop } from './support/shop.js';
import { code } from './support/totp.js';
import { focused, signIn, strike, typeSignIn } from './support/visitor.js';

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

const open = () => openWindow(browser, [provider.issuer, shop.origin], { javaScriptEnabled: true });

/** What has the focus, and how thick the line around it is. */
const current = (page) =>
  page.evaluate(() => {
    const { activeElement } = document;
    const { outlineStyle, outlineWidth } = getComputedStyle(activeElement);
    const line = outlineStyle === 'none' ? 0 : parseFloat(outlineWidth);
    return { tag: activeElement.tagName, action: activeElement.value, line };
  });

/** Goes with Tab to the button of `action`, from wherever the page has put the focus, and presses it. */
async function choose(page, action) {
  for (let presses = 0; presses < 15; presses++) {
    const { tag, action: here, line } = await current(page);
    assert.ok(['BODY', 'H1'].includes(tag) || line >= 2, `${tag} ${here} has the focus and does not show it`);
    if (tag === 'BUTTON' && here === action) return strike(page, 'Enter');
    await page.keyboard.press('Tab');
  }
  assert.fail(`Tab does not reach ${action} on ${await shown(page)}`);
}

async function type(page, name, text) {
  await focused(page, `input[name=${name}]`);
  assert.ok((await current(page)).line >= 2);
  await page.keyboard.type(text);
  await strike(page, 'Enter');
}

async function arrives(page, ...answers) {
  assert.equal(await shown(page), 'callback');
  for (const answer of answers) assert.match(page.url(), answer);
}

test('the keyboard signs in with password and code, allows an application, and signs out', async () => {
  const user = await provider.user({ secondFactor: 'sign-in' });
  const { client_id } = await provider.client({ client_name: 'Acme Calendar', redirect_uris: [shop.redirect] });
  const { page, complaints } = await open();
  await page.goto(shop.request({ client_id }));
  await typeSignIn(page, user);
  assert.equal(await shown(page), 'totp');
  await type(page, 'code', code(user.otpauth));
  assert.equal(await shown(page), 'consent');
  await focused(page, 'h1');
  await choose(page, 'continue');
  await arrives(page, /[?&]code=/);
  await page.goto(provider.issuer);
  await choose(page, 'continue');
  assert.equal(await shown(page), 'logged-out');
  await page.goto(shop.request({ prompt: 'none' }));
  await arrives(page, /error=login_required/);
  assert.deepEqual(complaints, []);
});

test('the keyboard steps up by a passkey, after it has gone another way and back', async () => {
  const user = await provider.user();
  const { page, complaints } = await open();
  const device = await plugIn(page);
  await page.goto(shop.request());
  await signIn(page, user);
  await setUp(page, provider, 'continue', { user, device });
  await page.goto(shop.request({ acr_values: MFA, prompt: 'login' }));
  assert.equal(await shown(page), 'passkey');
  await focused(page, '[data-go]');
  await choose(page, 'other-way');
  assert.equal(await shown(page), 'password');
  await focused(page, 'input[name=password]');
  await choose(page, 'other-way');
  assert.equal(await shown(page), 'passkey');
  await focused(page, '[data-go]');
  assert.ok((await current(page)).line >= 2);
  await device.tap(async () => {
    await page.keyboard.press('Enter');
    await page.locator('body[data-page=callback]').waitFor();
  });
  await arrives(page, /[?&]code=/);
  assert.deepEqual(complaints, []);
});

test('the keyboard sets up an app in the middle of a step-up, and keeps the recovery codes', async () => {
  const user = await provider.user({ totp: false });
  const { page, complaints } = await open();
  await page.goto(shop.request({ acr_values: MFA }));
  await typeSignIn(page, user);
  assert.equal(await shown(page), 'enrol-passkey');
  await focused(page, '[data-go]');
  await choose(page, 'other-way');
  assert.equal(await shown(page), 'enrol-totp');
  const secret = (await page.locator('#secret').innerText()).replaceAll(' ', '');
  await type(page, 'code', code(`otpauth://totp/x?secret=${secret}`));
  assert.equal(await shown(page), 'recovery-codes');
  await focused(page, 'h1');
  await choose(page, 'continue');
  await arrives(page, /[?&]code=/);
  await page.goto(`${provider.issuer}/account/passkeys`);
  assert.match(await page.locator('main').innerText(), /You have 10 recovery codes left/);
  assert.deepEqual(complaints, []);
});

test('the keyboard chooses an account that was used before, and has it forgotten', async () => {
  const user = await provider.user();
  const { page, complaints } = await open();
  await page.goto(shop.request());
  await typeSignIn(page, user);
  for (const [action, next] of [['continue', 'login'], ['forget-account', 'login']]) {
    await page.goto(provider.issuer);
    await choose(page, 'continue');
    await page.goto(shop.request());
    assert.equal(await shown(page), 'select-account');
    await focused(page, 'button');
    await choose(page, action);
    assert.equal(await shown(page), next);
    if (action === 'continue') await type(page, 'password', PASSWORD);
  }
  assert.equal(await page.inputValue('input[name=username]'), '');
  await page.goto(shop.request());
  assert.equal(await shown(page), 'login');
  await focused(page, 'input[name=username]');
  await choose(page, 'decline');
  await arrives(page, /error=access_denied/);
  assert.deepEqual(complaints, []);
});
