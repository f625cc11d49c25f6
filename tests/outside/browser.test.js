// The pages in a real browser, without JavaScript: what is shown, what the keyboard reaches, what the policy lets through.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { button, openWindow, press, shoot, shown, startBrowser } from './support/browser.js';
import { PASSWORD, startProvider } from './support/provider.js';
import { startShop } from './support/shop.js';
import { code } from './support/totp.js';

const MFA = 'urn:stepgate:acr:mfa';
let provider;
let browser;
let shop;
let origins;

before(async () => {
  provider = await startProvider();
  browser = await startBrowser();
  shop = await startShop(provider);
  origins = [provider.issuer, shop.origin];
});

after(async () => {
  await browser?.close();
  shop?.close();
  await provider?.stop();
});

async function signIn(page, user) {
  await page.fill('input[name=username]', user.name);
  await page.fill('input[name=password]', PASSWORD);
  await press(page, 'continue');
}

test('a person signs in, is asked again and steps up, without JavaScript, and lands at the shop', async () => {
  const user = await provider.user();
  const { page, complaints } = await openWindow(browser, origins);
  await page.goto(shop.request());
  assert.equal(await shown(page), 'login');
  assert.match(await page.locator('main').innerText(), /Sign in to go on to Acme Shop\.\s+You will go on to localhost/);
  await shoot(page, 'login');
  await signIn(page, user);
  assert.equal(await shown(page), 'callback');
  assert.match(page.url(), /[?&]code=.*&state=s&iss=http/);

  await page.goto(shop.request({ prompt: 'login' }));
  assert.equal(await shown(page), 'password');
  const anew = 'Acme Shop asks you to prove anew that it is you, with your password.';
  assert.ok((await page.locator('main').innerText()).includes(anew));
  await shoot(page, 'password');
  await page.fill('input[name=password]', PASSWORD);
  await press(page, 'continue');
  assert.equal(await shown(page), 'callback');

  await page.goto(shop.request({ acr_values: MFA, max_age: '300' }));
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
  await page.goto(shop.request({ acr_values: MFA }));
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
  const field = page.locator('input[name=code]');
  assert.equal(await field.getAttribute('aria-invalid'), 'true');
  assert.equal(await field.getAttribute('aria-describedby'), 'code-hint problem');
  await shoot(page, 'totp-wrong');
  await page.fill('input[name=code]', code(user.otpauth));
  await press(page, 'continue');
  assert.equal(await shown(page), 'callback');

  await page.goto(shop.request({ prompt: 'login' }));
  await page.fill('input[name=password]', 'wrong');
  await press(page, 'continue');
  assert.equal(await shown(page), 'password');
  assert.equal(await page.locator('input[name=password]').getAttribute('aria-describedby'), 'problem');
  assert.match(await page.locator('[aria-live] #problem').innerText(), /did not match/);
  await shoot(page, 'password-wrong');
  assert.deepEqual(complaints, []);
});

test('declining is one press on every page, the shop hears of it, and the session stays', async () => {
  const user = await provider.user();
  const { page, complaints } = await openWindow(browser, origins);
  await page.goto(shop.request());
  await press(page, 'decline');
  assert.match(page.url(), /\?error=access_denied&error_description=[^&]+&state=s&iss=http/);
  await page.goto(shop.request());
  await signIn(page, user);
  for (const [wishes, asks, error] of [
    [{ prompt: 'login' }, 'password', 'access_denied'],
    [{ acr_values: MFA }, 'totp', 'unmet_authentication_requirements'],
  ]) {
    await page.goto(shop.request(wishes));
    assert.equal(await shown(page), asks);
    await press(page, 'decline');
    assert.equal(await shown(page), 'callback');
    assert.equal(new URL(page.url()).searchParams.get('error'), error);
  }
  await page.goto(shop.request({ prompt: 'none' }));
  assert.match(page.url(), /\?code=/);
  assert.deepEqual(complaints, []);
});

test('a form leads to the shop because the policy of its page says so', async () => {
  const { page, complaints } = await openWindow(browser, origins);
  await page.goto(shop.request());
  await page.route(page.url().replace(/#.*/, ''), async (route) => {
    const response = await route.fetch();
    const policy = response.headers()['content-security-policy'];
    assert.ok(policy.includes(`form-action 'self' https: ${shop.origin};`), policy);
    const headers = { ...response.headers(), 'content-security-policy': policy.replace(` ${shop.origin}`, '') };
    await route.fulfill({ response, headers });
  });
  // Without it, Chromium follows the form to the provider but no redirect from there, and says why.
  await page.reload();
  const complaint = page.waitForEvent('console');
  await button(page, 'decline').click();
  assert.match((await complaint).text(), /violates the following Content Security Policy directive: "form-action/);
  assert.equal(await shown(page), 'login');
  assert.equal(complaints.length, 1);
});

test('another account begins a sign-in of its own', async () => {
  const [one, two] = [await provider.user(), await provider.user()];
  const { page } = await openWindow(browser, origins);
  await page.goto(shop.request());
  await signIn(page, one);
  await page.goto(shop.request({ prompt: 'login' }));
  await press(page, 'other-account');
  assert.equal(await shown(page), 'login');
  await signIn(page, two);
  assert.equal(await shown(page), 'callback');
  await page.goto(provider.issuer);
  assert.deepEqual(await page.locator('li').allInnerTexts(), [one.name, two.name]);
  await shoot(page, 'home');
});

test('an answer that can be given nowhere is a page, and so is a form from another time', async () => {
  const { page, context, complaints } = await openWindow(browser, origins);
  await page.goto(shop.request({ redirect_uri: 'https://evil.example/' }));
  assert.equal(await shown(page), 'error');
  assert.match(await page.locator('[role=alert]').innerText(), /redirect_uri is not one that the application registered/);
  await shoot(page, 'error');
  await page.goto(shop.request());
  await context.clearCookies();
  await page.fill('input[name=username]', 'x');
  await page.fill('input[name=password]', 'x');
  await press(page, 'continue');
  assert.equal(await shown(page), 'error');
  assert.match(await page.locator('[role=alert]').innerText(), /Go back to your application and start again/);
  // The status of the page that was asked for is all that Chromium has to say.
  assert.deepEqual(complaints.filter((text) => !/status of (400|404)/.test(text)), []);
});

test('a sign-out asks, acts, and leads back to the shop', async () => {
  const user = await provider.user();
  const { page, complaints } = await openWindow(browser, origins);
  await page.goto(shop.request());
  await signIn(page, user);
  const query = new URLSearchParams({ client_id: 'shop', post_logout_redirect_uri: shop.bye, state: 's' });
  await page.goto(`${provider.issuer}/logout?${query}`);
  assert.equal(await shown(page), 'logout');
  await shoot(page, 'logout');
  await press(page, 'decline');
  assert.equal(await shown(page), 'home');
  await page.goto(`${provider.issuer}/logout?${query}`);
  await press(page, 'continue');
  assert.equal(page.url(), `${shop.bye}?state=s`);
  await page.goto(shop.request({ prompt: 'none' }));
  assert.match(page.url(), /error=login_required/);
  assert.deepEqual(complaints, []);
});

test('form_post goes on by itself, and by its button where scripts are off', async () => {
  const user = await provider.user();
  for (const javaScriptEnabled of [true, false]) {
    const { page, complaints } = await openWindow(browser, [provider.issuer, shop.origin], { javaScriptEnabled });
    await page.goto(shop.request({ response_mode: 'form_post' }));
    await signIn(page, user);
    if (!javaScriptEnabled) {
      assert.equal(await shown(page), 'form-post');
      await shoot(page, 'form-post');
      await page.click('button[type=submit]');
    }
    await page.locator('body[data-page=callback]').waitFor();
    assert.match(await page.locator('body').innerText(), /^POST \/callback code=\S+ state=s iss=/);
    assert.deepEqual(complaints, []);
  }
});
