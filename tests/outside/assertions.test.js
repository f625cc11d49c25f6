// Signatures in both directions: `openid-client` proves itself with keys of every kind (RFC 7523), and verifies ID tokens of
// every algorithm; a resource server verifies access tokens with nothing but `jose` and the published keys.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, test } from 'node:test';
import { createRemoteJWKSet, exportJWK, generateKeyPair, jwtVerify } from 'jose';
import * as client from 'openid-client';
import { Person } from './support/person.js';
import { startProvider } from './support/provider.js';
import { authenticate, CALLBACK, MFA, parts, refused, registered } from './support/relying_party.js';

const ALGS = ['RS256', 'ES256', 'EdDSA', 'PS256'];
const GRANTS = ['authorization_code', 'refresh_token', 'client_credentials'];
const RESOURCE = 'http://localhost:9';
let provider;
let keys;

before(async () => {
  provider = await startProvider();
  await provider.client({ resource: RESOURCE, scopes_supported: ['payments'], access_token_signed_response_alg: 'EdDSA' });
  keys = createRemoteJWKSet(new URL(`${provider.issuer}/jwks`));
});

after(() => provider.stop());

const person = async (kind) => new Person(await provider.user(kind), CALLBACK);

/** A client with a key pair of its own; `spoil` changes what it signs. */
async function keyed(alg, { metadata = {}, sign, spoil = () => {} } = {}) {
  const { privateKey, publicKey } = await generateKeyPair(alg);
  const own = { kid: 'key-1', ...(await exportJWK(publicKey)) };
  const shown = { key: sign ?? privateKey, kid: own.kid };
  const change = (header, payload) => spoil(payload);
  return registered(
    provider,
    { token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [own] }, grant_types: GRANTS, ...metadata },
    { proof: () => client.PrivateKeyJwt(shown, { [client.modifyAssertion]: change }) });
}

for (const alg of ALGS) {
  test(`a client proves itself with a key for ${alg} wherever it has to`, async () => {
    const config = await keyed(alg, { metadata: { token_endpoint_auth_signing_alg: alg } });
    const { tokens, claims } = await authenticate(config, await person(), { acr_values: MFA });
    assert.equal(claims.acr, MFA);
    const renewed = await client.refreshTokenGrant(config, tokens.refresh_token);
    assert.equal(renewed.claims().sub, claims.sub);

    const { active, sub, acr } = await client.tokenIntrospection(config, renewed.access_token);
    assert.deepEqual({ active, sub, acr }, { active: true, sub: claims.sub, acr: MFA });
    await client.tokenRevocation(config, renewed.access_token);
    assert.deepEqual(await client.tokenIntrospection(config, renewed.access_token), { active: false });
    await client.tokenRevocation(config, renewed.refresh_token);
    await assert.rejects(client.refreshTokenGrant(config, renewed.refresh_token), refused('invalid_grant'));

    const own = await client.clientCredentialsGrant(config, { resource: RESOURCE, scope: 'payments' });
    const [, payload] = parts(own.access_token);
    assert.deepEqual([payload.sub, payload.aud, payload.scope], [config.clientMetadata().client_id, RESOURCE, 'payments']);
  });
}

test('an assertion is of the registered key, for this provider, and good once', async () => {
  const ask = (config) => client.clientCredentialsGrant(config, { resource: RESOURCE });
  const { privateKey: stranger } = await generateKeyPair('ES256');
  const other = await keyed('RS256', { metadata: { token_endpoint_auth_signing_alg: 'PS256' } });
  const misled = await keyed('ES256', { spoil: (payload) => (payload.aud = 'https://other.example') });
  for (const config of [await keyed('ES256', { sign: stranger }), other, misled]) {
    await assert.rejects(ask(config), refused('invalid_client'));
  }
  const repeating = await keyed('ES256', { spoil: (payload) => (payload.jti = 'the same') });
  await ask(repeating);
  await assert.rejects(ask(repeating), refused('invalid_client'));
  await ask(await keyed('ES256', { spoil: (payload) => (payload.jti = 'the same') }));
});

for (const alg of ALGS) {
  test(`an ID token signed with ${alg} is verified by the library, and tells of the access token beside it`, async () => {
    const config = await registered(provider, { id_token_signed_response_alg: alg, grant_types: GRANTS });
    const { tokens } = await authenticate(config, await person());
    const renewed = await client.refreshTokenGrant(config, tokens.refresh_token);
    for (const { id_token, access_token, claims } of [tokens, renewed].map((t) => ({ ...t, claims: t.claims() }))) {
      const [header] = parts(id_token);
      assert.deepEqual(header, { alg, typ: 'JWT', kid: header.kid });
      // OIDC Core §3.1.3.6: the hash of the signature; that of Ed25519 is SHA-512 (RFC 8032 §5.1).
      const hash = createHash(alg === 'EdDSA' ? 'sha512' : 'sha256').update(access_token).digest();
      assert.equal(claims.at_hash, hash.subarray(0, hash.length / 2).toString('base64url'));
      const { payload } = await jwtVerify(id_token, keys, {
        issuer: provider.issuer,
        audience: config.clientMetadata().client_id,
        algorithms: [alg],
      });
      assert.deepEqual({ ...claims }, payload);
    }
  });
}

test('the library does not take an ID token whose signature is another', async () => {
  for (const alg of ALGS) {
    const config = await registered(provider, { id_token_signed_response_alg: alg });
    config[client.customFetch] = async (url, options) => {
      const answer = await fetch(url, options);
      if (!url.endsWith('/token')) return answer;
      const body = await answer.json();
      const [header, payload, signature] = body.id_token.split('.');
      const broken = Buffer.from(signature, 'base64url');
      broken[8] ^= 1;
      return Response.json({ ...body, id_token: [header, payload, broken.toString('base64url')].join('.') });
    };
    await assert.rejects(authenticate(config, await person()), (thrown) => /signature/.test(thrown.cause?.message));
  }
});

test('a resource server verifies its tokens with the published keys, signed as it was registered for', async () => {
  const shop = await registered(provider, { grant_types: GRANTS });
  const wishes = { resource: RESOURCE, scope: 'openid payments' };
  const { tokens, claims } = await authenticate(shop, await person(), wishes, { token: { resource: RESOURCE } });
  const own = await client.clientCredentialsGrant(shop, { resource: RESOURCE, scope: 'payments' });
  const expected = { issuer: provider.issuer, audience: RESOURCE, typ: 'at+jwt', algorithms: ['EdDSA'] };
  for (const [token, sub] of [[tokens.access_token, claims.sub], [own.access_token, shop.clientMetadata().client_id]]) {
    const { payload, protectedHeader } = await jwtVerify(token, keys, expected);
    assert.deepEqual(protectedHeader, { alg: 'EdDSA', typ: 'at+jwt', kid: protectedHeader.kid });
    assert.deepEqual([payload.sub, payload.scope], [sub, 'payments']);
  }
  await assert.rejects(jwtVerify(tokens.id_token, keys, expected), { code: 'ERR_JOSE_ALG_NOT_ALLOWED' });
  // For whoever asks for no other, as at the provider's own endpoints.
  const { tokens: plain } = await authenticate(shop, await person(), { scope: 'openid' });
  const { protectedHeader } = await jwtVerify(plain.access_token, keys, { audience: provider.issuer, typ: 'at+jwt' });
  assert.equal(protectedHeader.alg, 'ES256');
});
