// The demonstration as a stranger walks it: sign in at the shop, try to pay, step up, have paid.

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { openWindow, press, shoot, shown, startBrowser } from './support/browser.js';
import { DEMO, freePort, PASSWORD, start, startProvider } from './support/provider.js';
import { code } from './support/totp.js';

let provider;
let browser;
let programs;
let shop;
let origins;

before(async () => {
  provider = await startProvider();
  browser = await startBrowser();
  const [shopPort, apiPort] = [await freePort(), await freePort()];
  shop = `http://localhost:${shopPort}`;
  const resource = `http://localhost:${apiPort}`;
  origins = [provider.issuer, shop];
  const callback = `${shop}/callback`;
  const made = await provider.client({ client_id: 'acme-shop', client_name: 'Acme Shop', redirect_uris: [callback], skip_consent: true });
  await provider.client({ client_name: 'Acme Payments', resource, scopes_supported: ['payments'] });
  const secret = join(provider.folder, 'client-secret');
  await writeFile(secret, `${made.client_secret}\n`);
  const env = {
    DEMO_ISSUER: provider.issuer,
    DEMO_API_RESOURCE: resource,
    DEMO_API_URL: resource,
    DEMO_API_LISTEN: `127.0.0.1:${apiPort}`,
    DEMO_SHOP_URL: shop,
    DEMO_SHOP_LISTEN: `127.0.0.1:${shopPort}`,
    DEMO_CLIENT_SECRET_FILE: secret,
  };
  programs = [
    await start([join(DEMO, 'demo_api')], apiPort, env, provider.folder),
    await start([join(DEMO, 'demo_shop')], shopPort, env, provider.folder),
  ];
});

after(async () => {
  await browser?.close();
  await Promise.all((programs ?? []).map((program) => program.stop()));
  await provider?.stop();
});

async function atTheStepUp(user, options) {
  const window = await openWindow(browser, origins, options);
  const { page } = window;
  await page.goto(shop);
  assert.equal(await shown(page), 'shop-home');
  await press(page, 'sign-in');
  assert.equal(await shown(page), 'login');
  await page.fill('input[name=username]', user.name);
  await page.fill('input[name=password]', PASSWORD);
  await press(page, 'continue');
  assert.equal(await shown(page), 'shop-account');
  return window;
}

test('from the sign-in to the payment, with a step-up in between', async () => {
  const user = await provider.user();
  const { page, complaints, context } = await atTheStepUp(user);
  const names = await page.locator('dt').allInnerTexts();
  const values = await page.locator('dt + dd').allInnerTexts();
  const claims = Object.fromEntries(names.map((name, i) => [name, values[i]]));
  assert.equal(claims.sub, user.sub);
  assert.equal(claims.acr, 'urn:stepgate:acr:pwd');
  assert.equal(claims.amr, '["pwd"]');
  await shoot(page, 'shop-account');
  await press(page, 'pay');
  assert.equal(await shown(page), 'totp');
  assert.match(await page.locator('main').innerText(), /Acme Shop asks for a code from your authenticator app entered in the last 5 minutes/);
  await page.fill('input[name=code]', code(user.otpauth));
  await press(page, 'continue');
  assert.equal(await shown(page), 'shop-paid');
  assert.match(await page.locator('main').innerText(), /You have paid 49.00 EUR.\s+The payment rests on urn:stepgate:acr:mfa/);
  await shoot(page, 'shop-paid');
  // Nothing of the answer stays in the address bar, and a reload shows the receipt again.
  assert.equal(page.url().replace(/#$/, ''), `${shop}/paid`);
  await page.reload();
  assert.equal(await shown(page), 'shop-paid');
  // The proof is young: the next payment needs no page of the provider.
  await page.click('a[href="/"]');
  await press(page, 'pay');
  assert.equal(await shown(page), 'shop-paid');
  const cookies = (await context.cookies()).map((cookie) => cookie.name).sort();
  assert.deepEqual(cookies, ['__Host-stepgate', 'acme_shop']);
  await page.click('a[href="/"]');
  await press(page, 'sign-out');
  assert.equal(await shown(page), 'shop-home');
  await shoot(page, 'shop-home');
  assert.deepEqual(complaints, []);
});

test('a payment that is declined is not made, and the sign-in stands', async () => {
  const { page, complaints } = await atTheStepUp(await provider.user());
  await press(page, 'pay');
  await press(page, 'decline');
  assert.equal(await shown(page), 'shop-problem');
  assert.match(await page.locator('main').innerText(), /Nothing was paid/);
  await shoot(page, 'shop-problem');
  await page.click('a[href="/"]');
  assert.equal(await shown(page), 'shop-account');
  // So does the session at the provider: the next try asks for the code alone.
  await press(page, 'pay');
  assert.equal(await shown(page), 'totp');
  assert.deepEqual(complaints, []);
});

test('the shop fits a phone of 320 pixels', async () => {
  const { page } = await atTheStepUp(await provider.user(), { viewport: { width: 320, height: 640 } });
  const fits = async () => {
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(width <= 320, `${await shown(page)} is ${width} px wide`);
    await shoot(page, `${await shown(page)}-320`);
  };
  await fits();
  await press(page, 'pay');
  await press(page, 'decline');
  await fits();
  await page.click('a[href="/"]');
  await press(page, 'sign-out');
  await fits();
});

test('a user without a second factor may set one up, and is told if they decline', async () => {
  const { page } = await atTheStepUp(await provider.user({ totp: false }));
  await press(page, 'pay');
  assert.equal(await shown(page), 'password');
  await press(page, 'decline');
  assert.equal(await shown(page), 'shop-problem');
  assert.match(await page.locator('main').innerText(), /needs a second factor/);
});

test('an answer that nobody asked for, or of another provider, is not used', async () => {
  const { page } = await atTheStepUp(await provider.user());
  for (const answer of ['code=x&state=y', `code=x&state=y&iss=${provider.issuer}`, 'error=access_denied']) {
    await page.goto(`${shop}/callback?${answer}`);
    assert.equal(await shown(page), 'shop-problem');
  }
});
