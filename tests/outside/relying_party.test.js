// `openid-client`, an independent relying party, goes through discovery, the code flow, client authentication, tokens
// and userinfo.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, test } from 'node:test';
import * as client from 'openid-client';
import { Person } from './support/person.js';
import { startProvider } from './support/provider.js';
import { ask, authenticate, CALLBACK, distrusted, MFA, parts, PWD, refused, registered } from './support/relying_party.js';

const RESOURCE = 'http://localhost:9';
let provider;
let shop;

before(async () => {
  provider = await startProvider();
  shop = await registered(provider);
  await provider.client({ resource: RESOURCE, scopes_supported: ['payments'] });
});

after(() => provider.stop());

const person = async (kind) => new Person(await provider.user(kind), CALLBACK);

test('discovery names what a relying party needs, and the library believes it', () => {
  const metadata = shop.serverMetadata();
  assert.equal(metadata.issuer, provider.issuer);
  assert.ok(metadata.supportsPKCE());
  assert.ok(metadata.acr_values_supported.includes(PWD) && metadata.acr_values_supported.includes(MFA));
  assert.equal(metadata.authorization_response_iss_parameter_supported, true);
});

test('a user signs in, and the claims say who, how and when, and nothing more', async () => {
  const ada = await person();
  const began = Math.floor(Date.now() / 1000);
  const { answer, checks, tokens, claims } = await authenticate(shop, ada);
  assert.deepEqual(ada.pages, ['login']);
  assert.deepEqual([...answer.searchParams.keys()].sort(), ['code', 'iss', 'state']);
  assert.equal(answer.searchParams.get('iss'), provider.issuer);
  assert.ok(began <= claims.auth_time && claims.auth_time <= claims.iat && claims.sid);
  // OIDC Core §3.1.3.6.
  const half = createHash('sha256').update(tokens.access_token).digest().subarray(0, 16).toString('base64url');
  const { iat, auth_time, sid } = claims;
  assert.deepEqual({ ...claims }, {
    iss: provider.issuer,
    sub: ada.user.sub,
    aud: shop.clientMetadata().client_id,
    nonce: checks.expectedNonce,
    iat,
    exp: iat + 3600,
    auth_time,
    acr: PWD,
    amr: ['pwd'],
    sid,
    at_hash: half,
  });
});

test('a response is checked by the library: another state, nonce or iss is not believed', async () => {
  const ada = await person();
  for (const [spoil, said] of [
    [({ checks }) => (checks.expectedState = 'another'), /unexpected "state"/],
    [({ checks }) => (checks.expectedNonce = 'another'), /unexpected ID Token "nonce"/],
    [({ answer }) => answer.searchParams.set('iss', 'http://localhost:1'), /unexpected "iss"/],
    [({ answer }) => answer.searchParams.delete('iss'), /"iss" \(issuer\) missing/],
  ]) {
    const asked = await ask(shop, ada);
    spoil(asked);
    await assert.rejects(client.authorizationCodeGrant(shop, asked.answer, asked.checks), distrusted(said));
  }
});

test('each way of client authentication works', async () => {
  const post = await registered(
    provider, { token_endpoint_auth_method: 'client_secret_post' }, { proof: client.ClientSecretPost });
  const none = await registered(provider, { token_endpoint_auth_method: 'none' }, { proof: () => client.None() });
  const ada = await person();
  for (const config of [shop, post, none]) assert.equal((await authenticate(config, ada)).claims.sub, ada.user.sub);
});

test('a client with a wrong secret, or by another method than its own, is not believed', async () => {
  const ada = await person();
  const guessed = await registered(provider, {}, { secret: 'a guess of the secret' });
  const posted = await registered(provider, {}, { proof: client.ClientSecretPost });
  for (const config of [guessed, posted]) {
    // RFC 6749 §5.2: with a challenge for whoever came with the header.
    await assert.rejects(authenticate(config, ada), (thrown) => {
      assert.equal(thrown.status, 401);
      if (config === posted) assert.equal(thrown.error, 'invalid_client');
      else assert.deepEqual(thrown.cause, [{ scheme: 'basic', parameters: { realm: 'stepgate', charset: 'UTF-8' } }]);
      return true;
    });
  }
});

test('ID tokens are signed with the algorithm that a client was registered for', async () => {
  for (const alg of ['RS256', 'ES256']) {
    // The library refuses any other.
    const config = await registered(provider, { id_token_signed_response_alg: alg });
    const { tokens } = await authenticate(config, await person());
    const [header] = parts(tokens.id_token);
    assert.deepEqual(header, { alg, typ: 'JWT', kid: header.kid });
  }
});

test('userinfo gives what the scopes open, about the same user', async () => {
  const claims = { given_name: 'Ada', family_name: 'Lovelace', locale: 'en-GB', phone_number: '+44 20 7946 0000' };
  const ada = await person({ claims });
  const userinfo = async (scope) => {
    const { tokens, claims } = await authenticate(shop, ada, { scope });
    return { ...(await client.fetchUserInfo(shop, tokens.access_token, claims.sub)) };
  };
  const { sub, name } = ada.user;
  const email = { email: `${name}@example.com`, email_verified: true };
  const { given_name, family_name, locale } = claims;
  assert.deepEqual(await userinfo('openid'), { sub });
  assert.deepEqual(await userinfo('openid email'), { sub, ...email });
  const profile = { preferred_username: name, given_name, family_name, locale };
  assert.deepEqual(await userinfo('openid profile email'), { sub, ...email, ...profile });
});

test('the library does not take the claims of another user', async () => {
  const [ada, bob] = [await person(), await person()];
  const { tokens } = await authenticate(shop, ada);
  await assert.rejects(client.fetchUserInfo(shop, tokens.access_token, bob.user.sub), distrusted(/unexpected .* "sub"/));
});

test('an access token without a resource is for the provider itself', async () => {
  const { tokens, claims } = await authenticate(shop, await person());
  const [header, payload] = parts(tokens.access_token);
  assert.equal(header.typ, 'at+jwt');
  assert.equal(payload.aud, provider.issuer);
  // RFC 9470 §6.2: the same statement as in the ID token.
  for (const name of ['iss', 'sub', 'acr', 'amr', 'auth_time', 'sid']) assert.deepEqual(payload[name], claims[name], name);
});

test('an access token is for the resource that was asked for, and opens nothing here', async () => {
  const wishes = { resource: RESOURCE, scope: 'openid payments' };
  const { tokens, claims } = await authenticate(shop, await person(), wishes, { token: { resource: RESOURCE } });
  const [header, payload] = parts(tokens.access_token);
  const { iat, jti } = payload;
  assert.equal(header.typ, 'at+jwt');
  assert.deepEqual(payload, {
    iss: provider.issuer,
    sub: claims.sub,
    aud: RESOURCE,
    client_id: shop.clientMetadata().client_id,
    scope: 'payments',
    iat,
    exp: iat + 600,
    jti,
    sid: claims.sid,
    acr: PWD,
    amr: ['pwd'],
    auth_time: claims.auth_time,
  });
  await assert.rejects(client.fetchUserInfo(shop, tokens.access_token, claims.sub), (e) => e.status === 401);
});

test('a code that is used again takes what it bought with it', async () => {
  const { answer, tokens, checks, claims } = await authenticate(shop, await person());
  await client.fetchUserInfo(shop, tokens.access_token, claims.sub);
  await assert.rejects(client.authorizationCodeGrant(shop, answer, checks), refused('invalid_grant'));
  await assert.rejects(client.fetchUserInfo(shop, tokens.access_token, claims.sub), (e) => e.status === 401);
});

test('a wrong code verifier burns the code', async () => {
  const { answer, checks } = await ask(shop, await person());
  const guess = { ...checks, pkceCodeVerifier: client.randomPKCECodeVerifier() };
  await assert.rejects(client.authorizationCodeGrant(shop, answer, guess), refused('invalid_grant'));
  await assert.rejects(client.authorizationCodeGrant(shop, answer, checks), refused('invalid_grant'));
});

test('a response by form_post is checked and redeemed by the library, an error too', async () => {
  const ada = await provider.user();
  const shop = await registered(provider);
  const person = new Person(ada, CALLBACK);
  const { claims } = await authenticate(shop, person, { response_mode: 'form_post' });
  assert.equal(claims.sub, ada.sub);
  assert.deepEqual(person.pages, ['login', 'form-post']);
  const silent = { response_mode: 'form_post', prompt: 'none', acr_values: MFA };
  await assert.rejects(authenticate(shop, person, silent), refused('login_required'));
});
