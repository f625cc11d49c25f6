// Chromium without a screen, with an eye on what no page may do: reach elsewhere, break its own policy, log an error.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const SHOTS = join(import.meta.dirname, '../shots');

export async function startBrowser() {
  await mkdir(SHOTS, { recursive: true });
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
}

/** A window of its own; `complaints` collects what must stay empty, `origins` are the ones it may reach. */
export async function openWindow(browser, origins, options = {}) {
  const context = await browser.newContext({ javaScriptEnabled: false, ...options });
  const page = await context.newPage();
  const complaints = [];
  page.on('console', (message) => ['error', 'warning'].includes(message.type()) && complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('request', (request) => {
    if (!origins.includes(new URL(request.url()).origin)) complaints.push(`reached ${request.url()}`);
  });
  return { page, context, complaints };
}

export const shown = (page) => page.locator('body').getAttribute('data-page');

export const button = (page, action) => page.locator(`button[type=submit][name=action][value=${action}]`);

/** Presses a button, and waits for the page that comes: it may be called like the one before it. */
export async function press(page, action) {
  const arrived = page.waitForEvent('framenavigated');
  await button(page, action).click();
  await arrived;
  await page.waitForLoadState();
}

/** A picture in light and in dark, for people to look at. */
export async function shoot(page, name) {
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme });
    await page.screenshot({ path: join(SHOTS, `${name}-${colorScheme}.png`), fullPage: true });
  }
}

/** Each element with a text of its own: its ink, and the nearest ground behind it, as [red, green, blue]. */
export const colours = (page) =>
  page.evaluate(() => {
    const numbers = (colour) => colour.match(/[\d.]+/g).map(Number);
    const ground = (element) => {
      const [red, green, blue, alpha = 1] = numbers(getComputedStyle(element).backgroundColor);
      return alpha === 0 && element.parentElement ? ground(element.parentElement) : [red, green, blue];
    };
    const own = (element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    return [...document.body.querySelectorAll('*')]
      .filter((element) => own(element) && element.checkVisibility())
      .map((element) => ({
        tag: element.tagName,
        what: element.textContent.trim().slice(0, 40),
        ink: numbers(getComputedStyle(element).color).slice(0, 3),
        ground: ground(element),
      }));
  });

/** WCAG 2.2, "contrast ratio": 1 to 21. */
export function contrast(one, two) {
  const luminance = (colour) => {
    const [red, green, blue] = colour.map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const [light, dark] = [luminance(one), luminance(two)].sort((a, b) => b - a);
  return (light + 0.05) / (dark + 0.05);
}
