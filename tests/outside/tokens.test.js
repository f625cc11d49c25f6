// `openid-client` lives with its tokens: refreshes, introspects, revokes, gets one for itself, and signs its user out.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import * as client from 'openid-client';
import { Person } from './support/person.js';
import { startProvider } from './support/provider.js';
import { authenticate, CALLBACK, MFA, parts, refused, registered } from './support/relying_party.js';

const RESOURCE = 'http://localhost:9';
const BYE = 'http://localhost:9/bye';
let provider;
let shop;

before(async () => {
  provider = await startProvider();
  shop = await registered(provider, {
    grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
    post_logout_redirect_uris: [BYE],
  });
  await provider.client({ resource: RESOURCE, scopes_supported: ['payments'] });
});

after(() => provider.stop());

const person = async () => new Person(await provider.user(), CALLBACK);

test('a refresh brings new tokens about the same authentication', async () => {
  const { tokens, claims } = await authenticate(shop, await person(), { acr_values: MFA });
  const renewed = await client.refreshTokenGrant(shop, tokens.refresh_token);
  const { acr, amr, auth_time, sid, sub } = renewed.claims();
  assert.deepEqual([acr, amr, auth_time, sid, sub], [claims.acr, claims.amr, claims.auth_time, claims.sid, claims.sub]);
  assert.notEqual(renewed.refresh_token, tokens.refresh_token);
  assert.equal((await client.fetchUserInfo(shop, renewed.access_token, sub)).sub, sub);
});

test('a refresh token that is used again takes its family with it', async () => {
  const { tokens, claims } = await authenticate(shop, await person());
  const second = await client.refreshTokenGrant(shop, tokens.refresh_token);
  const third = await client.refreshTokenGrant(shop, second.refresh_token);
  await assert.rejects(client.refreshTokenGrant(shop, tokens.refresh_token), refused('invalid_grant'));
  await assert.rejects(client.refreshTokenGrant(shop, third.refresh_token), refused('invalid_grant'));
  await assert.rejects(client.fetchUserInfo(shop, third.access_token, claims.sub), (error) => error.status === 401);
});

test('introspection tells what the token says, until it is revoked', async () => {
  const { tokens, claims } = await authenticate(shop, await person(), { acr_values: MFA });
  const told = await client.tokenIntrospection(shop, tokens.access_token);
  assert.equal(told.active, true);
  assert.deepEqual([told.sub, told.acr, told.auth_time, told.client_id], [claims.sub, MFA, claims.auth_time, shop.clientMetadata().client_id]);
  await client.tokenRevocation(shop, tokens.access_token);
  assert.deepEqual(await client.tokenIntrospection(shop, tokens.access_token), { active: false });
  await client.tokenRevocation(shop, tokens.refresh_token);
  await assert.rejects(client.refreshTokenGrant(shop, tokens.refresh_token), refused('invalid_grant'));
});

test('a client gets a token for itself and one resource', async () => {
  const { access_token } = await client.clientCredentialsGrant(shop, { resource: RESOURCE, scope: 'payments' });
  const [header, payload] = parts(access_token);
  assert.equal(header.typ, 'at+jwt');
  assert.deepEqual([payload.sub, payload.aud, payload.scope], [shop.clientMetadata().client_id, RESOURCE, 'payments']);
});

test('a sign-out with the ID token ends the session and comes back', async () => {
  const ada = await person();
  const { tokens } = await authenticate(shop, ada);
  const url = client.buildEndSessionUrl(shop, {
    id_token_hint: tokens.id_token,
    post_logout_redirect_uri: BYE,
    state: 'bye',
  });
  ada.callback = BYE;
  assert.equal((await ada.go(url)).href, `${BYE}?state=bye`);
  assert.deepEqual(ada.pages, []);
  ada.callback = CALLBACK;
  await assert.rejects(authenticate(shop, ada, { prompt: 'none' }), refused('login_required'));
  await assert.rejects(client.refreshTokenGrant(shop, tokens.refresh_token), refused('invalid_grant'));
});
