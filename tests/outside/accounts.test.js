// Several accounts in one browser, of which a person chooses; and accounts that people make for themselves, where that is
// switched on. By keyboard alone, and without JavaScript.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import * as client from 'openid-client';
import { openWindow, press, shoot, shown, startBrowser } from './support/browser.js';
import { PASSWORD, startProvider } from './support/provider.js';
import { authenticate, PWD, refused, registered } from './support/relying_party.js';
import { startShop } from './support/shop.js';
import { focused, signIn, strike, typeSignIn, visitor } from './support/visitor.js';

let browser;
/** A provider with accounts by administrators only, and one where people make their own; each with its shop. */
let closed;
let creating;

async function place(settings) {
  const provider = await startProvider(settings);
  const shop = await startShop(provider);
  const config = await registered(provider, { client_name: 'Acme Shop', redirect_uris: [shop.redirect] });
  return { provider, shop, config, stop: () => (shop.close(), provider.stop()) };
}

before(async () => {
  browser = await startBrowser();
  [closed, creating] = await Promise.all([place(), place('[accounts]\ncreate = true')]);
});

after(async () => {
  await browser?.close();
  await Promise.all([closed?.stop(), creating?.stop()]);
});

const open = ({ provider, shop }) => openWindow(browser, [provider.issuer, shop.origin]);

/** The application at `where` sends the person in `page`, and gets its tokens. */
const visit = ({ config, shop }, page, wishes, act) =>
  authenticate(config, visitor(page, act), { redirect_uri: shop.redirect, ...wishes });

const SELECT = { prompt: 'select_account' };
const account = (name) => `button[name=action][value=continue]:text-is("${name}")`;
const names = (page) => page.locator('button[name=action][value=continue]').allInnerTexts();
const people = async (provider, page) => (await page.goto(provider.issuer), page.locator('li').allInnerTexts());
const problem = (page) => page.locator('[aria-live] #problem').innerText();

async function choose(page, name) {
  const arrived = page.waitForEvent('framenavigated');
  await page.click(account(name));
  await arrived;
}

/** Two people, signed in side by side; with what their tokens said. */
async function two() {
  const users = [await closed.provider.user(), await closed.provider.user()];
  const window = await open(closed);
  const { page } = window;
  const one = await visit(closed, page, {}, () => signIn(page, users[0]));
  const other = await visit(closed, page, SELECT, async () => {
    assert.equal(await shown(page), 'select-account');
    assert.deepEqual(await names(page), [users[0].name]);
    await press(page, 'other-account');
    assert.equal(await shown(page), 'login');
    await signIn(page, users[1]);
  });
  return { users, claims: [one.claims, other.claims], ...window };
}

test('two accounts stand side by side, and the chosen one is the one of the tokens', async () => {
  const { users, claims, page, complaints } = await two();
  assert.deepEqual(claims.map(({ sub }) => sub), users.map(({ sub }) => sub));
  assert.notEqual(claims[0].sid, claims[1].sid);
  for (const i of [0, 1]) {
    const chosen = await visit(closed, page, SELECT, async () => {
      assert.equal(await shown(page), 'select-account');
      assert.deepEqual(await names(page), users.map(({ name }) => name));
      assert.equal(await page.locator(`form:has(${account(users[i].name)}) button`).count(), 1);
      await choose(page, users[i].name);
    });
    const { sub, sid, auth_time } = chosen.claims;
    assert.deepEqual([sub, sid, auth_time], [users[i].sub, claims[i].sid, claims[i].auth_time]);
    const info = await client.fetchUserInfo(closed.config, chosen.tokens.access_token, sub);
    assert.equal(info.preferred_username, users[i].name);
    // From now on this application means them, until it says otherwise.
    assert.equal((await visit(closed, page, { prompt: 'none' })).claims.sub, users[i].sub);
  }
  const proved = await visit(closed, page, { prompt: 'select_account login' }, async () => {
    await choose(page, users[0].name);
    assert.equal(await shown(page), 'password');
    assert.match(await page.locator('main').innerText(), new RegExp(`Account: ${users[0].name}\\s`));
    await page.fill('input[name=password]', PASSWORD);
    await press(page, 'continue');
  });
  assert.deepEqual([proved.claims.sub, proved.claims.sid], [users[0].sub, claims[0].sid]);
  assert.deepEqual(complaints, []);
});

test('an application that knows none of two accounts has one chosen, by keyboard', async () => {
  const { users, claims, page, complaints } = await two();
  const config = await registered(closed.provider, { client_name: 'Acme Calendar', redirect_uris: [closed.shop.redirect] });
  const other = { ...closed, config };
  await assert.rejects(visit(other, page, { prompt: 'none' }), refused('account_selection_required'));
  const chosen = await visit(other, page, {}, async () => {
    assert.equal(await shown(page), 'select-account');
    await shoot(page, 'select-account');
    await focused(page, account(users[0].name));
    await page.keyboard.press('Tab');
    await focused(page, account(users[1].name));
    await strike(page, 'Enter');
  });
  assert.deepEqual([chosen.claims.sub, chosen.claims.sid], [users[1].sub, claims[1].sid]);
  assert.deepEqual(complaints, []);
});

test('who chooses none of the accounts signs in by keyboard, or turns back', async () => {
  const { users, page, complaints } = await two();
  const third = await closed.provider.user();
  const { claims } = await visit(closed, page, SELECT, async () => {
    await focused(page, account(users[0].name));
    for (let i = 0; i < 2; i++) await page.keyboard.press('Tab');
    await focused(page, 'button[value=other-account]');
    await strike(page, 'Enter');
    assert.equal(await shown(page), 'login');
    await typeSignIn(page, third);
  });
  assert.equal(claims.sub, third.sub);
  await assert.rejects(visit(closed, page, SELECT, () => press(page, 'decline')), refused('access_denied'));
  assert.deepEqual(await people(closed.provider, page), [...users, third].map(({ name }) => name));
  assert.deepEqual(complaints, []);
});

const GUESSED = /^That password is one of the first that everybody guesses; /;

async function typeAccount(page, name, password) {
  await page.fill('input[name=username]', name);
  await page.fill('input[name=password]', password);
  await press(page, 'continue');
  assert.equal(await shown(page), 'create');
}

test('an account is made by keyboard, and leads on to the application', async () => {
  const { page, complaints } = await open(creating);
  const { tokens, claims } = await visit(creating, page, { prompt: 'create' }, async () => {
    assert.equal(await shown(page), 'create');
    assert.match(await page.locator('main').innerText(), /go on to Acme Shop\.\s+You will go on to localhost\./);
    await shoot(page, 'create');
    await focused(page, 'input[name=username]');
    await page.keyboard.type('grace');
    await page.keyboard.press('Tab');
    await page.keyboard.type('a compiler of my own');
    await strike(page, 'Enter');
  });
  assert.deepEqual([claims.acr, claims.amr], [PWD, ['pwd']]);
  const info = await client.fetchUserInfo(creating.config, tokens.access_token, claims.sub);
  assert.deepEqual({ ...info }, { sub: claims.sub, preferred_username: 'grace' });
  assert.deepEqual(await people(creating.provider, page), ['grace']);
  assert.deepEqual(complaints, []);
});

test('what is wrong with a new account is told in words at its fields, and what was typed stays', async () => {
  const { name: taken } = await creating.provider.user();
  const { page, complaints } = await open(creating);
  const { claims } = await visit(creating, page, { prompt: 'create' }, async () => {
    for (const [name, password, field, told] of [
      ['hedy', 'password1', 'password', GUESSED],
      ['hedy', '1234567890', 'password', GUESSED],
      [taken, 'frequencies that hop', 'username', /^That user name is taken\./],
      ['hedy@example.com', 'frequencies that hop', 'username', /^A user name has letters a-z, digits .* without @\.$/],
    ]) {
      await typeAccount(page, name, password);
      assert.match(await problem(page), told);
      assert.match(await page.title(), /^Error: /);
      const input = page.locator(`input[name=${field}]`);
      assert.equal(await input.getAttribute('aria-invalid'), 'true');
      assert.match(await input.getAttribute('aria-describedby'), /(^| )problem$/);
      assert.equal(await page.inputValue('input[name=username]'), name);
      assert.equal(await page.inputValue('input[name=password]'), '');
    }
    await shoot(page, 'create-wrong');
    await page.fill('input[name=username]', 'hedy');
    await page.fill('input[name=password]', 'frequencies that hop');
    await press(page, 'continue');
  });
  assert.deepEqual(claims.amr, ['pwd']);
  assert.deepEqual(complaints, []);
});

test('a password that is too short is stopped by the browser, and by the server if it is not', async () => {
  const { page } = await open(creating);
  await page.goto(creating.shop.request({ prompt: 'create' }));
  await page.fill('input[name=username]', 'radia');
  await page.fill('input[name=password]', '7 chars');
  await page.keyboard.press('Enter');
  await page.locator('input[name=password]:invalid').waitFor();
  assert.equal(await page.locator('#problem').count(), 0);
  await page.locator('input[name=password]').evaluate((input) => input.removeAttribute('minlength'));
  await typeAccount(page, 'radia', '7 chars');
  assert.equal(await problem(page), 'The password is shorter than 8 characters; choose a longer one.');
});

test('the pages to sign in and to make an account lead to each other, where accounts are made', async () => {
  const { page, complaints } = await open(creating);
  const user = await creating.provider.user();
  const { claims } = await visit(creating, page, {}, async () => {
    await press(page, 'create');
    assert.equal(await shown(page), 'create');
    await press(page, 'sign-in');
    assert.equal(await shown(page), 'login');
    await signIn(page, user);
  });
  assert.equal(claims.sub, user.sub);
  // Beside somebody who is signed in, a new account is one more.
  const made = await visit(creating, page, { prompt: 'create' }, async () => {
    await page.fill('input[name=username]', 'katherine');
    await page.fill('input[name=password]', 'go or no go for orbit');
    await press(page, 'continue');
  });
  assert.notEqual(made.claims.sub, claims.sub);
  assert.deepEqual(await people(creating.provider, page), [user.name, 'katherine']);
  await assert.rejects(
    visit(creating, page, { prompt: 'create' }, () => press(page, 'decline')), refused('access_denied'));
  assert.deepEqual(complaints, []);
});

test('where accounts are not made, nothing says so and nothing asks for it', async () => {
  const prompts = (place) => place.config.serverMetadata().prompt_values_supported;
  assert.deepEqual(prompts(closed), ['none', 'login', 'consent', 'select_account']);
  assert.deepEqual(prompts(creating), [...prompts(closed), 'create']);
  for (const [place, count] of [[closed, 0], [creating, 1]]) {
    const { page } = await open(place);
    await page.goto(place.shop.request());
    assert.equal(await shown(page), 'login');
    assert.equal(await page.getByRole('button', { name: 'Create an account' }).count(), count);
  }
  const { page } = await open(closed);
  await assert.rejects(visit(closed, page, { prompt: 'create' }), refused('invalid_request'));
});
