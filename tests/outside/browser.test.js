// The pages in a real browser, without JavaScript: what is shown, what the keyboard reaches, what the policy lets through.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { openWindow, press, shoot, shown, startBrowser } from './support/browser.js';
import { freePort, PASSWORD, startProvider } from './support/provider.js';
import { code } from './support/totp.js';

const MFA = 'urn:stepgate:acr:mfa';
let provider;
let browser;
let shop;
let origins;

before(async () => {
  provider = await startProvider();
  browser = await startBrowser();
  const port = await freePort();
  shop = createServer((request, response) => {
    response.setHeader('content-type', 'text/html');
    response.end(`<!doctype html><title>shop</title><body data-page="callback">${request.url.replace(/[<&]/g, '')}`);
  }).listen(port);
  const redirect = `http://localhost:${port}/callback`;
  shop.redirect = redirect;
  origins = [provider.issuer, new URL(redirect).origin];
  await provider.client({ client_id: 'shop', client_name: 'Acme Shop', redirect_uris: [redirect] });
});

after(async () => {
  await browser.close();
  shop.close();
  await provider.stop();
});

function request(more = {}) {
  const challenge = 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM';
  const own = { response_type: 'code', client_id: 'shop', redirect_uri: shop.redirect, scope: 'openid', state: 's' };
  const query = new URLSearchParams({ ...own, code_challenge: challenge, code_challenge_method: 'S256', ...more });
  return `${provider.issuer}/authorize?${query}`;
}

async function signIn(page, user) {
  await page.fill('input[name=username]', user.name);
  await page.fill('input[name=password]', PASSWORD);
  await press(page, 'continue');
}

async function fits(page) {
  const width = await page.evaluate(() => document.documentElement.scrollWidth).catch(() => undefined);
  if (width !== undefined) assert.ok(width <= page.viewportSize().width, `${width} px wide`);
}

test('a person signs in, is asked again and steps up, without JavaScript, and lands at the shop', async () => {
  const user = await provider.user();
  const { page, complaints } = await openWindow(browser, origins);
  await page.goto(request());
  assert.equal(await shown(page), 'login');
  assert.match(await page.locator('main').innerText(), /Sign in to go on to Acme Shop\.\s+You will go on to localhost/);
  await shoot(page, 'login');
  await signIn(page, user);
  assert.equal(await shown(page), 'callback');
  assert.match(page.url(), /[?&]code=.*&state=s&iss=http/);

  await page.goto(request({ prompt: 'login' }));
  assert.equal(await shown(page), 'password');
  assert.match(await page.locator('main').innerText(), /Acme Shop asks you to prove anew that it is you, with your password\./);
  await shoot(page, 'password');
  await page.fill('input[name=password]', PASSWORD);
  await press(page, 'continue');
  assert.equal(await shown(page), 'callback');

  await page.goto(request({ acr_values: MFA, max_age: '300' }));
  assert.equal(await shown(page), 'totp');
  const asks = 'Acme Shop asks for a code from your authenticator app entered in the last 5 minutes.';
  assert.ok((await page.locator('main').innerText()).includes(asks));
  await shoot(page, 'totp');
  await page.fill('input[name=code]', code(user.otpauth));
  await press(page, 'continue');
  assert.equal(await shown(page), 'callback');
  assert.deepEqual(complaints, []);
});

test('what went wrong is said at the field, aloud', async () => {
  const user = await provider.user();
  const { page, complaints } = await openWindow(browser, origins);
  await page.goto(request({ acr_values: MFA }));
  await page.fill('input[name=username]', user.name);
  await page.fill('input[name=password]', 'wrong');
  await press(page, 'continue');
  assert.equal(await shown(page), 'login');
  const password = page.locator('input[name=password]');
  assert.equal(await password.getAttribute('aria-invalid'), 'true');
  const described = page.locator(`[aria-live] #${await password.getAttribute('aria-describedby')}`);
  assert.match(await described.innerText(), /did not match/);
  await shoot(page, 'login-wrong');
  await signIn(page, user);
  await page.fill('input[name=code]', '000000');
  await press(page, 'continue');
  assert.equal(await shown(page), 'totp');
  assert.match(await page.locator('[aria-live]').innerText(), /not valid now/);
  await shoot(page, 'totp-wrong');
  assert.deepEqual(complaints, []);
});

test('the keyboard alone signs in and steps up', async () => {
  const user = await provider.user();
  const { page, complaints } = await openWindow(browser, origins);
  await page.goto(request({ acr_values: MFA }));
  await page.keyboard.type(user.name);
  await page.keyboard.press('Tab');
  await page.keyboard.type(PASSWORD);
  await page.keyboard.press('Enter');
  await page.locator('body[data-page=totp]').waitFor();
  await page.keyboard.type(code(user.otpauth));
  await page.keyboard.press('Enter');
  await page.locator('body[data-page=callback]').waitFor();
  assert.deepEqual(complaints, []);
});

test('declining is one press, and the shop hears of it', async () => {
  const { page, complaints } = await openWindow(browser, origins);
  await page.goto(request());
  await press(page, 'decline');
  assert.match(page.url(), /error=access_denied/);
  assert.deepEqual(complaints, []);
});

test('another account begins a sign-in of its own', async () => {
  const [one, two] = [await provider.user(), await provider.user()];
  const { page } = await openWindow(browser, origins);
  await page.goto(request());
  await signIn(page, one);
  await page.goto(request({ prompt: 'login' }));
  await press(page, 'other-account');
  assert.equal(await shown(page), 'login');
  await signIn(page, two);
  assert.equal(await shown(page), 'callback');
  await page.goto(provider.issuer);
  assert.deepEqual(await page.locator('li').allInnerTexts(), [one.name, two.name]);
  await shoot(page, 'home');
});

test('an answer that can be given nowhere is a page, and so is a form from another time', async () => {
  const { page, context } = await openWindow(browser, origins);
  await page.goto(request({ redirect_uri: 'https://evil.example/' }));
  assert.equal(await shown(page), 'error');
  assert.match(await page.locator('[role=alert]').innerText(), /redirect_uri is not one that the application registered/);
  await shoot(page, 'error');
  await page.goto(request());
  await context.clearCookies();
  await page.fill('input[name=username]', 'x');
  await page.fill('input[name=password]', 'x');
  await press(page, 'continue');
  assert.equal(await shown(page), 'error');
  assert.match(await page.locator('[role=alert]').innerText(), /Go back to your application and start again/);
});

test('a phone of 320 pixels shows every page without scrolling sideways', async () => {
  const user = await provider.user();
  const phone = { viewport: { width: 320, height: 640 }, javaScriptEnabled: true };
  const { page, complaints } = await openWindow(browser, origins, phone);
  await page.goto(request({ acr_values: MFA, prompt: 'login' }));
  await fits(page);
  await shoot(page, 'login-320');
  await signIn(page, user);
  assert.equal(await shown(page), 'totp');
  await fits(page);
  await shoot(page, 'totp-320');
  await page.goto(`${provider.issuer}/nothing`);
  await fits(page);
  assert.deepEqual(complaints.filter((text) => !text.includes('404')), []);
});
