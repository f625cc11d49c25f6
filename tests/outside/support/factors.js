// What a person sets up in a browser beside a password, and proves with: `has` is a user with `device` and `codes`.

import { press, shown } from './browser.js';
import { PASSWORD } from './provider.js';
import { code } from './totp.js';
import { signIn } from './visitor.js';

/** On the account page, to which who is signed in proves what is asked for. */
export async function setUp(page, provider, action, has) {
  await page.goto(`${provider.issuer}/account/passkeys`);
  await press(page, action);
  await prove(page, has, ['recovery-codes']);
  if (action === 'codes') has.codes = await page.locator('ol code').allInnerTexts();
  await press(page, action === 'codes' ? 'continue' : 'decline');
}

/** Signed out, and not remembered either. */
export async function leave(page, provider) {
  await page.goto(provider.issuer);
  await press(page, 'forget');
}

/** The code after the newest one counts already; none counts twice. */
export const nextCode = (user) => code(user.otpauth, Date.now() + (user.asked++ ? 30_000 : 0));

/** Proves whatever the pages ask for, up to one of `ends`; the names of the pages. */
export async function prove(page, has, ends = ['callback']) {
  const pages = [];
  for (let name; !ends.includes((name = await shown(page))); pages.push(name)) {
    if (pages.length > 6) throw new Error(`no end after ${pages}`);
    if (name === 'login' && !has.bare) await signIn(page, has.user);
    // Whoever has recovery codes has lost the app that they stand in for.
    else if (name === 'totp' && has.codes) await press(page, 'other-way');
    else if (['login', 'passkey', 'enrol-passkey'].includes(name)) await use(page, has.device, `body:not([data-page=${name}])`);
    else {
      has.user.asked ??= 0;
      const [field, value] = name === 'password' ? ['password', PASSWORD]
        : ['code', name === 'recovery' ? has.codes.shift() : nextCode(has.user)];
      await page.fill(`input[name=${field}]`, value);
      await press(page, 'continue');
    }
  }
  return pages;
}

/** Somebody touches the device, and `what` comes: after the button, unless the page has begun by itself. */
export const use = (page, device, what) =>
  device.tap(async () => {
    const pressed = page.locator('[data-go]').click({ timeout: 5_000 }).catch(() => {});
    await page.locator(what).waitFor();
    await pressed;
  });
