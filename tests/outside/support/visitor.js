// A person at a real browser: signs in with the mouse, or does without, and is sent around by a relying party.

import { press, shown } from './browser.js';
import { PASSWORD } from './provider.js';

export async function signIn(page, user) {
  await page.fill('input[name=username]', user.name);
  await page.fill('input[name=password]', PASSWORD);
  await press(page, 'continue');
}

/** A page gives its first control the focus when it is drawn, which may be after it was loaded. */
export const focused = (page, selector) => page.locator(`${selector}:focus`).waitFor();

/** Presses a key, and waits for the page that comes. */
export async function strike(page, key) {
  const arrived = page.waitForEvent('framenavigated');
  await page.keyboard.press(key);
  await arrived;
}

/** The sign-in without a mouse. */
export async function typeSignIn(page, user) {
  await focused(page, 'input[name=username]');
  await page.keyboard.type(user.name);
  await page.keyboard.press('Tab');
  await page.keyboard.type(PASSWORD);
  await strike(page, 'Enter');
}

/** What `authenticate` takes for a person: `page` goes to the address, and `act` does what the pages there ask for. */
export const visitor = (page, act = async () => {}) => ({
  async go(url) {
    await page.goto(url.href);
    await act();
    const last = await shown(page);
    if (last !== 'callback') throw new Error(`stopped at ${last}`);
    return new URL(page.url());
  },
});
