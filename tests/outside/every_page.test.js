// Every page, in both languages, on a small phone, by day and by night: what axe-core says of it, what a screen reader reads,
// how wide it is, and that nothing of it comes from elsewhere.

import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { plugIn } from './support/authenticator.js';
import { accessible } from './support/axe.js';
import { openWindow, shoot, shown, startBrowser } from './support/browser.js';
import { startProvider } from './support/provider.js';
import { startShop } from './support/shop.js';
import { asKept, spoken } from './support/spoken.js';
import { EVERYTHING, STOPS, walker } from './support/stops.js';

const PHONE = { viewport: { width: 320, height: 640 } };
/** What is the same in both languages: names, and what the user typed or the machine made. */
const NAMES = ['Stepgate', 'Acme Shop', 'Acme Calendar', 'Acme Notes', 'localhost', 'Passkey', 'Passkeys', 'Name', 'nobody', 'hedy', 'invalid_request'];
let place;
let browser;

before(async () => {
  const provider = await startProvider(EVERYTHING);
  browser = await startBrowser();
  const shop = await startShop(provider);
  const grants = ['authorization_code', 'refresh_token'];
  const calendar = { client_name: 'Acme Calendar', redirect_uris: [shop.redirect], grant_types: grants };
  const { client_id: asking } = await provider.client(calendar);
  const notes = { client_name: 'Acme Notes', token_endpoint_auth_method: 'none', redirect_uris: [shop.redirect] };
  const { client_id: device } = await provider.client({ ...notes, skip_consent: true });
  place = { provider, shop, asking, device };
});

after(async () => {
  await browser?.close();
  place?.shop.close();
  await place?.provider.stop();
});

/** Goes there in `locale`, and tells of it. */
async function visit(name, go, locale) {
  const origins = [place.provider.issuer, place.shop.origin];
  const { page, context, complaints } = await openWindow(browser, origins, {
    javaScriptEnabled: true, ...PHONE, locale,
  });
  const at = await walker(place, page, await plugIn(page));
  await go(at);
  assert.equal(await shown(page), name.split('+')[0]);
  const first = page.locator('[autofocus]');
  if (await first.count()) await page.locator('[autofocus]:focus').waitFor();
  return { at, page, context, complaints };
}

/** What it says of its language, its title, and what it says to be English. */
const signs = (page) => page.evaluate(() => ({
  lang: document.documentElement.lang,
  title: document.title.replace(/ – Stepgate$/, ''),
  english: [...document.querySelectorAll('[lang=en]')].map((one) => one.textContent),
}));

describe('what everybody meets', { concurrency: 4 }, () => STOPS.forEach(([name, go]) => {
  test(`${name} is for everybody, in English and in German`, { timeout: 120_000 }, async (t) => {
    const texts = {};
    for (const [locale, suffix] of [['en-GB', ''], ['de-AT', '-de']]) {
      const { at, page, context, complaints } = await visit(name, go, locale);
      const request = await page.locator('.foot code:last-child').allInnerTexts();
      const lines = await spoken(page, request);
      texts[locale] = { ...(await signs(page)), lines };
      await t.test(`is read as it was looked at (${locale})`, () => asKept(`${name}${suffix}`, lines));
      await t.test(`fits a phone of 320 pixels (${locale})`, async () => {
        assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 320);
        await shoot(page, `every-${name}${suffix}`);
      });
      await t.test(`has nothing that axe-core finds, by day and by night (${locale})`, async () => {
        await at.switchOn();
        await page.emulateMedia({ colorScheme: 'light' });
        await accessible(page);
        if (locale !== 'en-GB') return;
        await page.emulateMedia({ colorScheme: 'dark' });
        await accessible(page, 'color-contrast');
      });
      await t.test(`comes from here alone, and breaks nothing (${locale})`, () =>
        assert.deepEqual(complaints.filter((text) => !/status of 40[04]/.test(text)), []));
      await context.close();
    }
    await t.test('is German through and through', () => {
      const { 'en-GB': english, 'de-AT': german } = texts;
      assert.deepEqual([english.lang, german.lang], ['en', 'de']);
      const read = ({ lines, title }) =>
        [title, ...lines.flatMap((line) => line.match(/"[^"]+"|\(.+\)$/g) ?? []).map((text) => text.slice(1, -1))];
      const word = (text) => /\p{L}{2}/u.test(text) && !/^\(\w+\)$/.test(text);
      const known = [...NAMES, ...german.english];
      const both = read(german).filter((text) => read(english).includes(text) && word(text) && !known.includes(text));
      assert.deepEqual(both, []);
    });
  });
}));

test('there is no page that is not looked at', async () => {
  const folder = join(import.meta.dirname, '../../templates');
  const pages = new Set();
  for (const file of await readdir(folder)) {
    const page = /{% block page %}([\w-]+){% endblock %}/.exec(await readFile(join(folder, file), 'utf8'));
    if (page) pages.add(page[1]);
  }
  assert.deepEqual([...new Set(STOPS.map(([name]) => name.split('+')[0]))].sort(), [...pages].sort());
});
