// The least of a relying party, on a port of its own: it sends a browser to the provider and shows what came back.

import { createServer } from 'node:http';
import { freePort } from './provider.js';

export async function startShop(provider) {
  const port = await freePort();
  const origin = `http://localhost:${port}`;
  const redirect = `${origin}/callback`;
  const server = createServer((request, response) => {
    response.setHeader('content-type', 'text/html');
    let posted = '';
    request.on('data', (bytes) => (posted += bytes));
    request.on('end', () => {
      const said = `${request.method} ${request.url} ${posted}`.replace(/[<]/g, '').replace(/&/g, ' ');
      response.end(`<!doctype html><title>shop</title><body data-page="callback">${said}`);
    });
  }).listen(port);
  const bye = `${origin}/bye`;
  const uris = { redirect_uris: [redirect], post_logout_redirect_uris: [bye], skip_consent: true };
  await provider.client({ client_id: 'shop', client_name: 'Acme Shop', ...uris });
  return {
    origin,
    bye,
    redirect,
    /** The address of an authorization request. */
    request(more = {}) {
      const code_challenge = 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM';
      const own = { response_type: 'code', client_id: 'shop', redirect_uri: redirect, scope: 'openid', state: 's' };
      const query = new URLSearchParams({ ...own, code_challenge, code_challenge_method: 'S256', ...more });
      return `${provider.issuer}/authorize?${query}`;
    },
    close: () => server.close(),
  };
}
