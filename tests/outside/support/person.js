// A person with a browser that has no screen: keeps cookies, follows redirects, fills in the page that is shown.

import { PASSWORD } from './provider.js';
import { code } from './totp.js';

export class Person {
  cookies = new Map();
  /** The pages that were shown on the way. */
  pages = [];

  constructor(user, callback) {
    this.user = user;
    this.callback = callback;
  }

  /** Goes to `url` and through whatever pages come, until the relying party is reached. */
  async go(url, { decline = false } = {}) {
    this.pages = [];
    let answer = await this.#fetch(url);
    for (let steps = 0; steps < 20; steps++) {
      const location = answer.headers.get('location');
      if (location) {
        const next = new URL(location, answer.url);
        if (next.href.startsWith(this.callback)) return next;
        answer = await this.#fetch(next);
        continue;
      }
      const html = await answer.text();
      const page = /data-page="([^"]*)"/.exec(html)?.[1];
      this.pages.push(page);
      if (page === 'error') throw new Error(`error page: ${html}`);
      const hidden = html.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)"/g);
      const form = new URLSearchParams(Object.fromEntries([...hidden].map(([, name, value]) => [name, value])));
      // Nobody here has a device that could make a passkey.
      form.set('action', decline || page === 'enrol-passkey' ? 'decline' : 'continue');
      if (page === 'login') form.set('username', this.user.name);
      if (page === 'login' || page === 'password') form.set('password', PASSWORD);
      if (page === 'totp') form.set('code', code(this.user.otpauth));
      const action = new URL(/<form method="post" action="([^"]*)"/.exec(html)[1], answer.url);
      if (page === 'form-post') {
        form.delete('action');
        return new Request(action, { method: 'POST', body: form });
      }
      answer = await this.#fetch(action, form);
    }
    throw new Error(`no end after ${this.pages}`);
  }

  async #fetch(url, form) {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const answer = await fetch(url, { method: form ? 'POST' : 'GET', body: form, headers: { cookie }, redirect: 'manual' });
    for (const line of answer.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
      this.cookies.set(name, value);
    }
    return answer;
  }
}
