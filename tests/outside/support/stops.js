// The way to every page that there is, each from the beginning. A new page is one more line.

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { button, press } from './browser.js';
import { PASSWORD } from './provider.js';
import { signIn } from './visitor.js';

export const MFA = 'urn:stepgate:acr:mfa';
const EMPTY = { totp: false };

/**
 * `place` has a provider with mail, and accounts that people make; a shop, the client of an application that asks, and that of one on
 * the device.
 * A name is that of the page, and after `+` how it is met.
 */
export const STOPS = [
  ['home', (at) => at.home()],
  ['home+signed-in', async (at) => (await at.inside(), at.home())],
  ['home+remembered', async (at) => (await at.inside(), await at.signOut(), at.home())],
  ['login', (at) => at.ask()],
  ['login+wrong', async (at) => (await at.ask(), at.say({ username: 'nobody', password: 'wrong' }))],
  ['login+chosen', async (at) => (await at.inside(), await at.signOut(), await at.ask(), press(at.page, 'continue'))],
  ['login+no-scripts', async (at) => (await at.switchOff(), at.ask())],
  ['create', (at) => at.ask({ prompt: 'create' })],
  ['create+wrong', async (at) => (await at.ask({ prompt: 'create' }), at.say({ username: 'hedy', password: 'password1' }))],
  ['select-account', async (at) => (await at.inside(), at.ask({ prompt: 'select_account' }))],
  ['select-account+remembered', async (at) => (await at.inside(), await at.signOut(), at.ask())],
  ['select-account+both', (at) => at.besideRemembered()],
  ['password', async (at) => (await at.inside(), at.ask({ prompt: 'login' }))],
  ['password+wrong', async (at) => (await at.inside(), await at.ask({ prompt: 'login' }), at.say({ password: 'wrong' }))],
  ['password+first', async (at) => (await at.inside(EMPTY), at.ask({ acr_values: MFA }))],
  ['totp', async (at) => (await at.inside(), at.ask({ acr_values: MFA }))],
  ['totp+wrong', async (at) => (await at.inside(), await at.ask({ acr_values: MFA }), at.say({ code: '000000' }))],
  ['passkey', async (at) => (await at.withPasskey(), at.ask({ prompt: 'login', acr_values: MFA }))],
  ['passkey+failed', async (at) => (await at.withPasskey(), await at.ask({ prompt: 'login', acr_values: MFA }), at.fail())],
  ['passkey+no-scripts', async (at) => (await at.withPasskey(), await at.switchOff(), at.ask({ prompt: 'login', acr_values: MFA }))],
  ['recovery', (at) => at.recovering()],
  ['recovery+wrong', async (at) => (await at.recovering(), at.say({ code: 'AAAA' }))],
  ['mail-code', (at) => at.mailed()],
  ['mail-code+wrong', async (at) => (await at.mailed(), at.say({ code: '00000000' }))],
  ['enrol-passkey', (at) => at.account('continue')],
  ['enrol-passkey+security-key', (at) => at.account('security-key')],
  ['enrol-passkey+asked', async (at) => (await at.mailed(), at.say({ code: await at.mailedCode() }))],
  ['enrol-totp', (at) => at.account('totp')],
  ['enrol-totp+wrong', async (at) => (await at.account('totp'), at.say({ code: '000000' }))],
  ['recovery-codes', async (at) => (await at.account('continue'), at.register('recovery-codes'))],
  ['account-passkeys', async (at) => (await at.inside(EMPTY), at.page.goto(`${at.provider.issuer}/account/passkeys`))],
  ['account-passkeys+one', (at) => at.withPasskey()],
  ['account-passkeys+app', async (at) => (await at.inside({ totp: true }), at.page.goto(`${at.provider.issuer}/account/passkeys`))],
  ['enrol-passkey+lost', (at) => at.lost()],
  ['account-passkeys+replacing', async (at) => (await at.lost(), await at.register('account-passkeys'), at.told())],
  ['account-password', async (at) => (await at.inside(EMPTY), at.page.goto(`${at.provider.issuer}/account/password`))],
  ['account-password+wrong', async (at) => (await at.inside(EMPTY), await at.page.goto(`${at.provider.issuer}/account/password`), at.say({ password: 'password1' }))],
  ['account-recovery', (at) => at.page.goto(`${at.provider.issuer}/account/recovery?cancel=of-the-mail`)],
  ['account-recovery+nothing', async (at) => (await at.page.goto(`${at.provider.issuer}/account/recovery?cancel=used`), press(at.page, 'continue'))],
  ['consent', async (at) => (await at.inside(), at.ask({ client_id: at.asking, scope: 'openid profile email' }))],
  ['consent+offline', async (at) => (await at.inside(), at.ask({ client_id: at.asking, scope: 'openid offline_access', prompt: 'consent' }))],
  ['continue', async (at) => (await at.inside(), at.ask({ client_id: at.device }))],
  ['logout', async (at) => (await at.inside(), at.page.goto(`${at.provider.issuer}/logout`))],
  ['logged-out', async (at) => (await at.inside(), at.signOut())],
  ['error', (at) => at.ask({ redirect_uri: `https://evil.example/${'long'.repeat(50)}` })],
  ['error+nothing-there', (at) => at.page.goto(`${at.provider.issuer}/nothing`)],
  ['form-post', async (at) => (await at.switchOff(), await at.ask({ response_mode: 'form_post' }), at.enter(await at.someone()))],
];

/** Who walks through `page`, an `authenticator` plugged in. */
export async function walker({ provider, shop, asking, device }, page, authenticator) {
  const devtools = await page.context().newCDPSession(page);
  const entered = new Set();
  const at = {
    provider,
    page,
    asking,
    device,
    home: () => page.goto(provider.issuer),
    ask: (wishes) => page.goto(shop.request(wishes)),
    someone: (kind) => provider.user(kind),
    enter: (user) => signIn(page, user),
    async say(fields) {
      for (const [name, value] of Object.entries(fields)) await page.fill(`input[name=${name}]`, value);
      await press(page, 'continue');
    },
    /** Somebody who is signed in by a password. */
    async inside(kind) {
      const user = await at.someone(kind);
      await at.ask();
      await at.enter(user);
      at.user = user;
    },
    async signOut() {
      await at.home();
      await press(page, 'continue');
    },
    /** One is signed in, and another one was. */
    async besideRemembered() {
      await at.inside();
      await at.signOut();
      await at.ask();
      await press(page, 'other-account');
      await at.enter(await at.someone());
      await at.ask({ prompt: 'select_account' });
    },
    async account(action, kind = EMPTY) {
      await at.inside(kind);
      await page.goto(`${provider.issuer}/account/passkeys`);
      await press(page, action);
      await at.say({ code: await at.mailedCode() });
    },
    register: (next) =>
      authenticator.tap(async () => {
        await button(page, 'continue').click();
        await page.locator(`body[data-page=${next}]`).waitFor();
      }),
    async withPasskey() {
      await at.account('continue');
      await at.register('recovery-codes');
      await press(page, 'decline');
    },
    /** Somebody who is about to register another passkey for the one that they have lost. */
    async lost() {
      await at.account('continue');
      await at.register('recovery-codes');
      const code = await page.locator('li code').first().textContent();
      await press(page, 'continue');
      await authenticator.forget();
      await press(page, 'lost');
      await at.say({ password: PASSWORD });
      await at.say({ code });
      await at.say({ code: await at.mailedCode() });
    },
    /** The mail about it is out, so that it says when it takes effect. */
    async told() {
      const waits = page.locator('section[aria-labelledby=waiting] p');
      for (let tries = 0; tries < 200 && !/\d/.test(await waits.textContent()); tries++) {
        await sleep(50);
        await page.reload();
      }
    },
    /** Somebody who takes a recovery code instead of their passkey. */
    async recovering() {
      await at.account('continue');
      await at.register('recovery-codes');
      await press(page, 'continue');
      await at.ask({ acr_values: MFA });
      await press(page, 'other-way');
    },
    /** The device says no. */
    async fail() {
      await authenticator.forget();
      await authenticator.tap(async () => {
        await button(page, 'continue').click();
        await page.locator('[data-status]').filter({ hasText: /\. .*\./ }).waitFor();
      });
    },
    async mailed() {
      await at.inside(EMPTY);
      await at.ask({ acr_values: MFA });
      await at.say({ password: PASSWORD });
    },
    mailedCode: () => newCode(join(provider.folder, 'mails'), at.user.name, entered),
    /** From now on no script runs. */
    switchOff: () => devtools.send('Emulation.setScriptExecutionDisabled', { value: true }),
    /** And of a page that was opened without them, axe-core's alone. */
    switchOn: () => devtools.send('Emulation.setScriptExecutionDisabled', { value: false }),
  };
  return at;
}

/** The settings of a provider that has every page. */
export const EVERYTHING = '[accounts]\ncreate = true\n[mail]\nfolder = "mails"\nfrom = "Stepgate <login@example.com>"';

/** A code that was mailed to this user, and is in none of the mails that were `seen`. */
async function newCode(folder, name, seen) {
  for (let tries = 0; tries < 200; tries++) {
    for (const file of await readdir(folder).catch(() => [])) {
      const mail = await readFile(join(folder, file), 'utf8');
      const found = mail.includes(`${name}@example.com`) && /\b(\d{8})\b/.exec(/^Subject: .*/m.exec(mail)?.[0]);
      if (!found || seen.has(file)) continue;
      seen.add(file);
      return found[1];
    }
    await sleep(50);
  }
  throw new Error(`no mail to ${name}`);
}

