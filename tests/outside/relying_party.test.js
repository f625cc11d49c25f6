// `openid-client`, an independent relying party, goes through discovery, the code flow, the validation of ID tokens,
// and everything that may be asked of an authentication.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import * as client from 'openid-client';
import { Person } from './support/person.js';
import { startProvider } from './support/provider.js';

const CALLBACK = 'http://localhost:9/callback';
const MFA = 'urn:stepgate:acr:mfa';
const PWD = 'urn:stepgate:acr:pwd';
let provider;
let shop;

before(async () => {
  provider = await startProvider();
  shop = await registered({});
});

after(() => provider.stop());

async function registered(metadata, authentication) {
  const made = await provider.client({ redirect_uris: [CALLBACK], ...metadata });
  const insecure = { execute: [client.allowInsecureRequests] };
  const proof = authentication?.(made.client_secret) ?? client.ClientSecretBasic(made.client_secret);
  return client.discovery(new URL(provider.issuer), made.client_id, undefined, proof, insecure);
}

/** One authorization by `person` at `config`; the library checks state, iss, nonce, signature, times, max_age. */
async function authenticate(config, person, wishes = {}, options = {}) {
  const verifier = client.randomPKCECodeVerifier();
  const [state, nonce] = [client.randomState(), client.randomNonce()];
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: CALLBACK,
    scope: 'openid profile email',
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
    nonce,
    ...wishes,
  });
  const answer = await person.go(url, options);
  const checks = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true };
  if (wishes.max_age) checks.maxAge = Number(wishes.max_age);
  const tokens = await client.authorizationCodeGrant(config, answer, checks, options.token);
  return { answer, tokens, claims: tokens.claims(), url, checks };
}

const person = async (kind) => new Person(await provider.user(kind), CALLBACK);

const refused = (error) => (thrown) => {
  assert.equal(thrown.error, error);
  return true;
};

test('a user signs in, and the claims say who, how and when', async () => {
  const ada = await person();
  const { answer, tokens, claims } = await authenticate(shop, ada);
  assert.deepEqual(ada.pages, ['login']);
  assert.equal(answer.searchParams.get('iss'), provider.issuer);
  assert.equal(claims.sub, ada.user.sub);
  assert.equal(claims.acr, PWD);
  assert.deepEqual(claims.amr, ['pwd']);
  assert.ok(claims.auth_time <= claims.iat && claims.sid && claims.at_hash);
  const userinfo = await client.fetchUserInfo(shop, tokens.access_token, claims.sub);
  assert.equal(userinfo.email, `${ada.user.name}@example.com`);
  assert.equal(userinfo.email_verified, true);
  assert.equal(userinfo.preferred_username, ada.user.name);
});

test('each way of client authentication works', async () => {
  const post = await registered({ token_endpoint_auth_method: 'client_secret_post' }, client.ClientSecretPost);
  const none = await registered({ token_endpoint_auth_method: 'none' }, () => client.None());
  const ada = await person();
  for (const config of [shop, post, none]) assert.equal((await authenticate(config, ada)).claims.sub, ada.user.sub);
});

test('ID tokens are signed with ES256 for a client that asks for it', async () => {
  const es256 = await registered({ id_token_signed_response_alg: 'ES256' });
  es256.clientMetadata().id_token_signed_response_alg = 'ES256';
  const { tokens } = await authenticate(es256, await person());
  assert.equal(JSON.parse(Buffer.from(tokens.id_token.split('.')[0], 'base64url')).alg, 'ES256');
});

test('prompt=none answers from the session or not at all', async () => {
  const ada = await person();
  await assert.rejects(authenticate(shop, ada, { prompt: 'none' }), refused('login_required'));
  const first = await authenticate(shop, ada);
  const silent = await authenticate(shop, ada, { prompt: 'none' });
  assert.deepEqual(ada.pages, []);
  assert.equal(silent.claims.auth_time, first.claims.auth_time);
  assert.equal(silent.claims.sid, first.claims.sid);
});

test('prompt=login and max_age=0 always ask, and a max_age that holds does not', async () => {
  const ada = await person();
  await authenticate(shop, ada);
  await authenticate(shop, ada, { max_age: '3600' });
  assert.deepEqual(ada.pages, []);
  const began = Math.floor(Date.now() / 1000);
  for (const wish of [{ prompt: 'login' }, { max_age: '0' }]) {
    const { claims } = await authenticate(shop, ada, wish);
    assert.deepEqual(ada.pages, ['password']);
    assert.ok(claims.auth_time >= began);
  }
  await assert.rejects(authenticate(shop, ada, { max_age: '0', prompt: 'none' }), refused('login_required'));
});

test('acr_values step up with the one factor that is missing', async () => {
  const ada = await person();
  await authenticate(shop, ada);
  const { claims } = await authenticate(shop, ada, { acr_values: MFA, max_age: '300' });
  assert.deepEqual(ada.pages, ['totp']);
  assert.equal(claims.acr, MFA);
  assert.deepEqual(claims.amr, ['pwd', 'otp', 'mfa']);
  const again = await authenticate(shop, ada, { acr_values: MFA, prompt: 'none' });
  assert.equal(again.claims.auth_time, claims.auth_time);
});

test('an essential acr is met or refused, never lowered', async () => {
  const essential = (value) => ({ claims: JSON.stringify({ id_token: { acr: { essential: true, value } } }) });
  const ada = await person();
  assert.equal((await authenticate(shop, ada, essential(MFA))).claims.acr, MFA);
  assert.deepEqual(ada.pages, ['login', 'totp']);
  const bob = await person({ totp: false });
  await assert.rejects(authenticate(shop, bob, essential(MFA)), refused('unmet_authentication_requirements'));
  assert.deepEqual(bob.pages, ['login']);
  await assert.rejects(authenticate(shop, bob, essential('urn:nobody')), refused('unmet_authentication_requirements'));
  assert.equal((await authenticate(shop, bob, essential(PWD))).claims.acr, PWD);
});

test('a second factor that is for sign-in is asked for at sign-in', async () => {
  const ada = await person({ secondFactor: 'sign-in' });
  assert.equal((await authenticate(shop, ada)).claims.acr, MFA);
  assert.deepEqual(ada.pages, ['login', 'totp']);
});

test('declining is told to the client, and the session stays', async () => {
  const ada = await person();
  await assert.rejects(authenticate(shop, ada, {}, { decline: true }), refused('access_denied'));
  await authenticate(shop, ada);
  const unmet = refused('unmet_authentication_requirements');
  await assert.rejects(authenticate(shop, ada, { acr_values: MFA }, { decline: true }), unmet);
  assert.equal((await authenticate(shop, ada, { prompt: 'none' })).claims.acr, PWD);
});

test('a hint about the user who is here changes nothing', async () => {
  const ada = await person();
  const { tokens } = await authenticate(shop, ada);
  const hinted = await authenticate(shop, ada, { prompt: 'none', id_token_hint: tokens.id_token });
  assert.equal(hinted.claims.sub, ada.user.sub);
});

test('an access token is for the resource that was asked for', async () => {
  const resource = 'https://api.example';
  await provider.client({ resource, scopes_supported: ['payments'] });
  const wishes = { resource, scope: 'openid payments' };
  const { tokens } = await authenticate(shop, await person(), wishes, { token: { resource } });
  const [header, payload] = tokens.access_token.split('.').slice(0, 2).map((p) => JSON.parse(Buffer.from(p, 'base64url')));
  assert.equal(header.typ, 'at+jwt');
  assert.equal(payload.aud, resource);
  assert.equal(payload.scope, 'payments');
  assert.equal(payload.acr, PWD);
});

test('a code that is used again takes what it bought with it', async () => {
  const ada = await person();
  const { answer, tokens, checks, claims } = await authenticate(shop, ada);
  await client.fetchUserInfo(shop, tokens.access_token, claims.sub);
  await assert.rejects(client.authorizationCodeGrant(shop, answer, checks), refused('invalid_grant'));
  await assert.rejects(client.fetchUserInfo(shop, tokens.access_token, claims.sub), (e) => e.status === 401);
});
