// node-oidc-provider as its documentation sets it up, for production, with all its state in memory.
// Its configuration comes as one JSON file: port, secrets by client, jwks of the client that signs, resource, scope,
// callback, lifetime.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';

import { exportJWK, generateKeyPair } from 'jose';
import { Provider } from 'oidc-provider';

import { memory } from './memory.mjs';

const { port, secrets, jwks, resource, scope, callback, lifetime } = JSON.parse(readFileSync(process.argv[2]));
const ACCOUNT = 'zoe';
const INTERACTION = '/interaction/';

const { privateKey } = await generateKeyPair('ES256', { extractable: true });
const key = { ...(await exportJWK(privateKey)), alg: 'ES256', use: 'sig', kid: 'es256' };

const machine = (client_id, more) => ({
  client_id,
  client_secret: secrets[client_id],
  redirect_uris: [],
  response_types: [],
  id_token_signed_response_alg: 'ES256',
  ...more,
});

const provider = new Provider(`http://127.0.0.1:${port}`, {
  adapter: memory(),
  jwks: { keys: [key] },
  scopes: ['openid', 'offline_access', scope],
  cookies: { keys: [secrets['web-app']] },
  clients: [
    machine('worker', { grant_types: ['client_credentials'], scope }),
    machine('opaque-worker', { grant_types: ['client_credentials'], scope }),
    machine('signing-worker', {
      grant_types: ['client_credentials'],
      scope,
      token_endpoint_auth_method: 'private_key_jwt',
      token_endpoint_auth_signing_alg: 'ES256',
      jwks,
    }),
    machine('users-api', { grant_types: [] }),
    machine('web-app', {
      grant_types: ['authorization_code', 'refresh_token'],
      redirect_uris: [callback],
      response_types: ['code'],
      scope: `openid offline_access ${scope}`,
    }),
  ],
  findAccount: (ctx, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
  interactions: { url: (ctx, interaction) => `${INTERACTION}${interaction.uid}` },
  pkce: { required: () => true },
  rotateRefreshToken: true,
  ttl: {
    AccessToken: lifetime,
    ClientCredentials: lifetime,
    RefreshToken: 14 * 86_400,
    Grant: 14 * 86_400,
    Interaction: 3_600,
    Session: 14 * 86_400,
  },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: {
      enabled: true,
      allowedPolicy: (ctx, client, token) => client.clientId === 'users-api' && token.aud === resource,
    },
    revocation: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (ctx, indicator, client) => ({
        scope,
        audience: indicator,
        accessTokenTTL: lifetime,
        accessTokenFormat: client.clientId === 'opaque-worker' ? 'opaque' : 'jwt',
        jwt: { sign: { alg: 'ES256' } },
      }),
      useGrantedResource: () => true,
    },
  },
});

// The person, who signs in and agrees at once.
async function agree(request, response) {
  const { params } = await provider.interactionDetails(request, response);
  const grant = new provider.Grant({ accountId: ACCOUNT, clientId: params.client_id });
  grant.addOIDCScope(`openid offline_access ${scope}`);
  grant.addResourceScope(resource, scope);
  const consent = { grantId: await grant.save() };
  await provider.interactionFinished(request, response, { login: { accountId: ACCOUNT }, consent });
}

const answer = provider.callback();
const server = createServer((request, response) => {
  if (!request.url.startsWith(INTERACTION)) return answer(request, response);
  return agree(request, response).catch((error) => {
    response.statusCode = 500;
    response.end(String(error));
  });
});
server.listen(port, '127.0.0.1');
process.once('SIGTERM', () => process.exit(0));
