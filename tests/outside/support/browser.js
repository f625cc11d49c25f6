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

export const press = (page, action) => page.locator(`button[type=submit][name=action][value=${action}]`).click();

/** A picture in light and in dark, for people to look at. */
export async function shoot(page, name) {
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme });
    await page.screenshot({ path: join(SHOTS, `${name}-${colorScheme}.png`), fullPage: true });
  }
}
