// `openid-client` asks for everything that may be asked of an authentication: how fresh, how strong, by whom, and
// whether a page may be shown.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Person } from './support/person.js';
import { startProvider } from './support/provider.js';
import { authenticate, CALLBACK, distrusted, MFA, PWD, refused, registered } from './support/relying_party.js';

const UNMET = refused('unmet_authentication_requirements');
const UNKNOWN = 'urn:nobody:knows';
let provider;
let shop;

before(async () => {
  provider = await startProvider();
  shop = await registered(provider);
});

after(() => provider.stop());

const person = async (kind) => new Person(await provider.user(kind), CALLBACK);

const essential = (value) => ({ claims: JSON.stringify({ id_token: { acr: { essential: true, value } } }) });

/** Times are told in whole seconds: whatever is proved from now on is later than `time`. */
const later = (time, seconds = 1) => sleep(Math.max(0, (time + seconds) * 1000 + 20 - Date.now()));

test('prompt=none answers from the session or not at all', async () => {
  const ada = await person();
  await assert.rejects(authenticate(shop, ada, { prompt: 'none' }), refused('login_required'));
  assert.deepEqual(ada.pages, []);
  const first = await authenticate(shop, ada);
  const silent = await authenticate(shop, ada, { prompt: 'none' });
  assert.deepEqual(ada.pages, []);
  assert.equal(silent.claims.auth_time, first.claims.auth_time);
  assert.equal(silent.claims.sid, first.claims.sid);
});

test('a max_age that holds is silent, and one that has passed asks again', async () => {
  const ada = await person();
  const first = (await authenticate(shop, ada)).claims;
  await later(first.auth_time, 2);
  const silent = await authenticate(shop, ada, { max_age: '3600' });
  assert.deepEqual(ada.pages, []);
  assert.equal(silent.claims.auth_time, first.auth_time);
  await assert.rejects(authenticate(shop, ada, { max_age: '1', prompt: 'none' }), refused('login_required'));
  const { claims } = await authenticate(shop, ada, { max_age: '1' });
  assert.deepEqual(ada.pages, ['password']);
  assert.ok(claims.auth_time >= first.auth_time + 2);
  assert.equal(claims.sid, first.sid);
});

test('the library itself does not take an authentication that is older than it asked for', async () => {
  const strict = await registered(provider, {}, { tolerance: 0 });
  const ada = await person();
  const { claims } = await authenticate(shop, ada);
  await later(claims.auth_time, 3);
  // Attack: max_age was taken out of the URL on the way, so that the old session answers.
  const stripped = { go: (url) => (url.searchParams.delete('max_age'), ada.go(url)) };
  await assert.rejects(authenticate(strict, stripped, { max_age: '1' }), distrusted(/too much time has elapsed/));
  assert.deepEqual(ada.pages, []);
});

test('prompt=login and max_age=0 always ask, and auth_time moves', async () => {
  const ada = await person();
  let last = (await authenticate(shop, ada)).claims;
  for (const wish of [{ prompt: 'login' }, { max_age: '0' }]) {
    await later(last.auth_time);
    const { claims } = await authenticate(shop, ada, wish);
    assert.deepEqual(ada.pages, ['password']);
    assert.ok(claims.auth_time > last.auth_time);
    assert.deepEqual([claims.acr, claims.amr, claims.sid], [PWD, ['pwd'], last.sid]);
    last = claims;
  }
  await assert.rejects(authenticate(shop, ada, { max_age: '0', prompt: 'none' }), refused('login_required'));
});

test('acr_values step up with the one factor that is missing', async () => {
  const ada = await person();
  await authenticate(shop, ada);
  await assert.rejects(authenticate(shop, ada, { acr_values: MFA, prompt: 'none' }), refused('login_required'));
  const { claims } = await authenticate(shop, ada, { acr_values: MFA, max_age: '300' });
  assert.deepEqual(ada.pages, ['totp']);
  assert.equal(claims.acr, MFA);
  assert.deepEqual(claims.amr, ['pwd', 'otp', 'mfa']);
  // The session keeps what was shown, and says so to whoever asks for nothing.
  for (const wishes of [{ acr_values: MFA, prompt: 'none' }, {}]) {
    const again = (await authenticate(shop, ada, wishes)).claims;
    assert.deepEqual(ada.pages, []);
    assert.deepEqual([again.acr, again.amr, again.auth_time], [MFA, claims.amr, claims.auth_time]);
  }
});

test('a class that nobody knows is refused without a page, and passed over beside one that is known', async () => {
  const ada = await person();
  await assert.rejects(authenticate(shop, ada, { acr_values: UNKNOWN }), UNMET);
  assert.deepEqual(ada.pages, []);
  await authenticate(shop, ada);
  await assert.rejects(authenticate(shop, ada, { acr_values: UNKNOWN }), UNMET);
  await assert.rejects(authenticate(shop, ada, essential(UNKNOWN)), UNMET);
  assert.deepEqual(ada.pages, []);
  assert.equal((await authenticate(shop, ada, { acr_values: `${UNKNOWN} ${PWD}` })).claims.acr, PWD);
});

test('a user without the factor may set it up, and is refused if they decline; the session stays', async () => {
  const bob = await person({ totp: false });
  await assert.rejects(authenticate(shop, bob, { acr_values: MFA }), UNMET);
  assert.deepEqual(bob.pages, ['login', 'enrol-passkey']);
  await authenticate(shop, bob);
  await assert.rejects(authenticate(shop, bob, { acr_values: MFA }), UNMET);
  assert.deepEqual(bob.pages, ['password', 'enrol-passkey']);
  assert.equal((await authenticate(shop, bob, { prompt: 'none' })).claims.acr, PWD);
});

test('an essential acr is met or refused, never lowered', async () => {
  const ada = await person();
  assert.equal((await authenticate(shop, ada, essential(MFA))).claims.acr, MFA);
  assert.deepEqual(ada.pages, ['login', 'totp']);
  const bob = await person({ totp: false });
  await assert.rejects(authenticate(shop, bob, essential(MFA)), UNMET);
  assert.deepEqual(bob.pages, ['login', 'enrol-passkey']);
  assert.equal((await authenticate(shop, bob, essential(PWD))).claims.acr, PWD);
});

test('a second factor that is for sign-in is asked for at sign-in', async () => {
  const ada = await person({ secondFactor: 'sign-in' });
  assert.equal((await authenticate(shop, ada)).claims.acr, MFA);
  assert.deepEqual(ada.pages, ['login', 'totp']);
});

test('declining is told to the client, and the session stays', async () => {
  const ada = await person();
  const decline = { decline: true };
  await assert.rejects(authenticate(shop, ada, {}, decline), refused('access_denied'));
  const first = (await authenticate(shop, ada)).claims;
  await assert.rejects(authenticate(shop, ada, { prompt: 'login' }, decline), refused('access_denied'));
  assert.deepEqual(ada.pages, ['password']);
  await assert.rejects(authenticate(shop, ada, { acr_values: MFA }, decline), UNMET);
  assert.deepEqual(ada.pages, ['totp']);
  const { claims } = await authenticate(shop, ada, { prompt: 'none' });
  assert.deepEqual([claims.acr, claims.sid, claims.auth_time], [PWD, first.sid, first.auth_time]);
});

test('a hint about the user who is here changes nothing, and one about another never gets this user', async () => {
  const [ada, bob] = [await person(), await person()];
  const hint = async (of) => ({ prompt: 'none', id_token_hint: (await authenticate(shop, of)).tokens.id_token });
  const own = await authenticate(shop, ada, await hint(ada));
  assert.equal(own.claims.sub, ada.user.sub);
  await assert.rejects(authenticate(shop, ada, await hint(bob)), refused('login_required'));
});
