// A relying party out of `openid-client`: registered by command, configured by discovery, and trusting nothing that it
// has not checked.

import * as client from 'openid-client';

export const CALLBACK = 'http://localhost:9/callback';
export const MFA = 'urn:stepgate:acr:mfa';
export const PWD = 'urn:stepgate:acr:pwd';

/** Registers `metadata`; what the library believes of itself is what was registered, and `tolerance` (seconds) of clocks. */
export async function registered(provider, metadata = {}, { proof = client.ClientSecretBasic, secret, tolerance } = {}) {
  const made = await provider.client({ redirect_uris: [CALLBACK], skip_consent: true, ...metadata });
  const believed = { ...metadata };
  if (tolerance !== undefined) believed[client.clockTolerance] = tolerance;
  // Signatures are checked too, which the library leaves to TLS otherwise.
  const insecure = { execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks] };
  const shown = proof(secret ?? made.client_secret);
  return client.discovery(new URL(provider.issuer), made.client_id, believed, shown, insecure);
}

/** One authorization by `person` at `config`, up to the response at the redirect URI. */
export async function ask(config, person, wishes = {}, options = {}) {
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
  return { answer, checks };
}

/** And on to the tokens; the library checks state, iss, nonce, signature, times, max_age. */
export async function authenticate(config, person, wishes = {}, options = {}) {
  const { answer, checks } = await ask(config, person, wishes, options);
  const tokens = await client.authorizationCodeGrant(config, answer, checks, options.token);
  return { answer, checks, tokens, claims: tokens.claims() };
}

export const refused = (error) => (thrown) => {
  if (thrown.error !== error) throw thrown;
  return true;
};

/** The library itself did not believe what came, and `said` why. */
export const distrusted = (said) => (thrown) => {
  if (!(thrown instanceof client.ClientError && said.test(thrown.cause?.message))) throw thrown;
  return true;
};

/** Header and payload of a JWT, unverified. */
export const parts = (jwt) => jwt.split('.').slice(0, 2).map((part) => JSON.parse(Buffer.from(part, 'base64url')));
