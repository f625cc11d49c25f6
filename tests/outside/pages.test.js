// What every page owes to whoever reads it: it fits a small phone, is readable by day and by night, and the keyboard
// reaches all of it. Without JavaScript, as everywhere.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { colours, contrast, openWindow, press, shoot, shown, startBrowser } from './support/browser.js';
import { PASSWORD, startProvider } from './support/provider.js';
import { startShop } from './support/shop.js';
import { code } from './support/totp.js';
import { focused } from './support/visitor.js';

const MFA = 'urn:stepgate:acr:mfa';
let provider;
let browser;
let shop;

before(async () => {
  provider = await startProvider('[accounts]\ncreate = true');
  browser = await startBrowser();
  shop = await startShop(provider);
});

after(async () => {
  await browser?.close();
  shop?.close();
  await provider?.stop();
});

const open = (options) => openWindow(browser, [provider.issuer, shop.origin], options);

/** Goes from page to page, with and without a notice, and calls `look` with the name of each. */
async function everyPage(page, look) {
  const [user, other] = [await provider.user(), await provider.user()];
  const seen = async (name) => {
    assert.equal(await shown(page), name.replace('-wrong', ''));
    await look(name);
  };
  const say = async (fields) => {
    for (const [name, value] of Object.entries(fields)) await page.fill(`input[name=${name}]`, value);
    await press(page, 'continue');
  };
  await page.goto(shop.request({ prompt: 'create' }));
  await seen('create');
  await say({ username: user.name, password: PASSWORD });
  await seen('create-wrong');
  await page.goto(shop.request());
  await seen('login');
  await say({ username: user.name, password: 'wrong' });
  await seen('login-wrong');
  await say({ username: user.name, password: PASSWORD });
  await page.goto(shop.request({ prompt: 'login' }));
  await seen('password');
  await say({ password: 'wrong' });
  await seen('password-wrong');
  await page.goto(shop.request({ acr_values: MFA }));
  await seen('totp');
  await say({ code: '000000' });
  await seen('totp-wrong');
  await page.goto(shop.request({ prompt: 'select_account' }));
  await press(page, 'other-account');
  await say({ username: other.name, password: PASSWORD });
  await page.goto(shop.request({ prompt: 'select_account' }));
  await seen('select-account');
  await page.goto(shop.request({ prompt: 'consent', scope: 'openid profile email' }));
  await seen('consent');
  await page.goto(provider.issuer);
  await seen('home');
  await page.goto(`${provider.issuer}/logout`);
  await seen('logout');
  await press(page, 'continue');
  await seen('logged-out');
  await page.goto(shop.request({ redirect_uri: `https://evil.example/${'long'.repeat(50)}` }));
  await seen('error');
}

const ready = (page, name) => focused(page, `input[name=${name}]`);

/** What has the focus: the name of a field, or the action of a button. */
const current = (page) => page.evaluate(() => document.activeElement.value || document.activeElement.name);

/** The controls that Tab reaches from the one that has the focus at first, each visibly focused. */
async function tabbed(page, presses) {
  const reached = [];
  for (let i = 0; i <= presses; i++) {
    if (i > 0) await page.keyboard.press('Tab');
    reached.push(await current(page));
    const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
    assert.equal(outline, 'solid', `${reached.at(-1)} has the focus and does not show it`);
  }
  return reached;
}

test('a phone of 320 pixels shows every page without scrolling sideways', async () => {
  const { page, complaints } = await open({ viewport: { width: 320, height: 640 } });
  await everyPage(page, async (name) => {
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(width <= 320, `${name} is ${width} px wide`);
    await shoot(page, `${name}-320`);
  });
  assert.deepEqual(complaints.filter((text) => !/status of 400/.test(text)), []);
});

test('every text can be read by day and by night', async () => {
  const { page } = await open();
  await everyPage(page, async (name) => {
    for (const [colorScheme, dark] of [['light', false], ['dark', true]]) {
      await page.emulateMedia({ colorScheme });
      const texts = await colours(page);
      assert.ok(texts.length >= 3, name);
      for (const { what, ink, ground } of texts) {
        // WCAG 2.2 §1.4.3.
        const ratio = contrast(ink, ground);
        assert.ok(ratio >= 4.5, `${name}, ${colorScheme}: "${what}" has a contrast of ${ratio.toFixed(2)}`);
      }
      const { ink, ground } = texts.find(({ tag }) => tag === 'H1');
      assert.equal(contrast(ground, [0, 0, 0]) < contrast(ink, [0, 0, 0]), dark, `${name} is not ${colorScheme}`);
    }
  });
});

test('the keyboard alone signs in and steps up', async () => {
  const user = await provider.user();
  const { page, complaints } = await open();
  await page.goto(shop.request({ acr_values: MFA }));
  await ready(page, 'username');
  await page.keyboard.type(user.name);
  await page.keyboard.press('Tab');
  await page.keyboard.type(PASSWORD);
  await page.keyboard.press('Enter');
  await page.locator('body[data-page=totp]').waitFor();
  await ready(page, 'code');
  await page.keyboard.type(code(user.otpauth));
  await page.keyboard.press('Enter');
  await page.locator('body[data-page=callback]').waitFor();
  assert.match(page.url(), /\?code=/);
  assert.deepEqual(complaints, []);
});

test('Tab reaches every control in the order of reading, and Enter presses it', async () => {
  const user = await provider.user();
  const { page, complaints } = await open();
  await page.goto(shop.request());
  await ready(page, 'username');
  assert.deepEqual(await tabbed(page, 4), ['username', 'password', 'continue', 'create', 'decline']);
  await page.keyboard.press('Enter');
  await page.locator('body[data-page=callback]').waitFor();
  assert.match(page.url(), /\?error=access_denied/);

  await page.goto(shop.request({ prompt: 'create' }));
  await ready(page, 'username');
  assert.deepEqual(await tabbed(page, 4), ['username', 'password', 'continue', 'sign-in', 'decline']);

  await page.goto(shop.request());
  await ready(page, 'username');
  await page.keyboard.type(user.name);
  await page.keyboard.press('Tab');
  await page.keyboard.type(PASSWORD);
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.locator('body[data-page=callback]').waitFor();

  // The field for password managers is out of the way.
  await page.goto(shop.request({ prompt: 'login' }));
  await ready(page, 'password');
  assert.deepEqual(await tabbed(page, 3), ['password', 'continue', 'other-account', 'decline']);
  await page.goto(shop.request({ prompt: 'select_account' }));
  await focused(page, 'button');
  assert.deepEqual(await tabbed(page, 2), ['continue', 'other-account', 'decline']);
  await page.goto(shop.request({ prompt: 'consent' }));
  await focused(page, 'h1');
  await page.keyboard.press('Tab');
  assert.deepEqual(await tabbed(page, 1), ['continue', 'decline']);
  await page.goto(shop.request({ acr_values: MFA }));
  await ready(page, 'code');
  assert.deepEqual(await tabbed(page, 3), ['code', 'continue', 'other-account', 'decline']);
  await page.keyboard.press('Enter');
  await page.locator('body[data-page=callback]').waitFor();
  assert.match(page.url(), /\?error=unmet_authentication_requirements/);
  assert.deepEqual(complaints, []);
});

test('every field has its label, and every page its title and language', async () => {
  const { page } = await open();
  await everyPage(page, async (name) => {
    assert.equal(await page.locator('html').getAttribute('lang'), 'en');
    assert.match(await page.title(), /\S – Stepgate$/, name);
    assert.equal(await page.locator('h1').count(), 1);
    for (const field of await page.locator('input:visible:not([aria-hidden])').all()) {
      const id = await field.getAttribute('id');
      assert.equal(await page.locator(`label[for=${id}]`).count(), 1, `${name}: ${id}`);
    }
  });
});

test('a long name is broken over lines, and no control touches another', async () => {
  const { page } = await open({ viewport: { width: 320, height: 640 } });
  const client_name = 'Donaudampfschifffahrtsgesellschaft';
  const { client_id } = await provider.client({ client_name, redirect_uris: [shop.redirect] });
  await page.goto(shop.request({ client_id, prompt: 'create' }));
  await page.fill('input[name=username]', `augusta.ada.king_${'of.'.repeat(20)}lovelace`);
  await page.fill('input[name=password]', PASSWORD);
  await press(page, 'continue');
  const addresses = ['/', '/logout'].map((path) => provider.issuer + path);
  const wishes = [{ client_id }, { prompt: 'select_account' }, { prompt: 'login' }];
  for (const address of [...wishes.map((wish) => shop.request(wish)), ...addresses]) {
    await page.goto(address);
    const name = await shown(page);
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(width <= 320, `${name} is ${width} px wide`);
    const boxes = await Promise.all((await page.locator('button').all()).map((control) => control.boundingBox()));
    boxes.slice(1).forEach(({ y }, i) => assert.ok(y - boxes[i].y - boxes[i].height >= 8, `${name}: button ${i + 1}`));
    await shoot(page, `${name}-long-320`);
  }
});
