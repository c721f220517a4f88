// openid-client, as its documentation uses it: code with PKCE, refresh, userinfo, revocation, logout, device, client credentials.

import * as client from 'openid-client'

import { callbackServer, say } from './callback.mjs'

const { ISSUER, WEB_ID, WEB_SECRET, TV_ID, WORKER_ID, WORKER_SECRET, API, API_ID, API_SECRET } = process.env
const plainHttp = { execute: [client.allowInsecureRequests] }
const discover = (id, ...authentication) => client.discovery(new URL(ISSUER), id, ...authentication, plainHttp)

async function code() {
  const config = await discover(WEB_ID, WEB_SECRET, client.ClientSecretBasic(WEB_SECRET))
  const callback = await callbackServer()
  const pkceCodeVerifier = client.randomPKCECodeVerifier()
  const expectedState = client.randomState()
  const expectedNonce = client.randomNonce()
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: callback.redirectUri,
    scope: 'openid profile email offline_access read:users',
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
    state: expectedState,
    nonce: expectedNonce,
  })
  const answered = callback.next()
  say({ open: url.href })
  const tokens = await client.authorizationCodeGrant(config, await answered, {
    pkceCodeVerifier,
    expectedState,
    expectedNonce,
    idTokenExpected: true,
  })
  const claims = tokens.claims()
  const user = await client.fetchUserInfo(config, tokens.access_token, claims.sub)
  const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token)
  const api = await discover(API_ID, API_SECRET, client.ClientSecretBasic(API_SECRET))
  const seen = await client.tokenIntrospection(api, refreshed.access_token)
  const loggedOut = callback.next()
  const logout = client.buildEndSessionUrl(config, {
    post_logout_redirect_uri: new URL('/', callback.redirectUri).href,
    id_token_hint: refreshed.id_token ?? tokens.id_token,
    state: expectedState,
  })
  say({ open: logout.href })
  const afterLogout = (await loggedOut).searchParams.get('state') === expectedState
  await client.tokenRevocation(config, refreshed.refresh_token)
  const gone = await client.tokenIntrospection(api, refreshed.access_token)
  const refused = await client.refreshTokenGrant(config, refreshed.refresh_token).catch((error) => error.error)
  callback.close()
  return { claims, user, rotated: refreshed.refresh_token !== tokens.refresh_token, seen, gone, refused, afterLogout }
}

async function device() {
  const config = await discover(TV_ID, undefined, client.None())
  const started = await client.initiateDeviceAuthorization(config, { scope: 'openid offline_access' })
  say({ open: started.verification_uri_complete, user_code: started.user_code })
  const tokens = await client.pollDeviceAuthorizationGrant(config, started)
  const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token)
  return { claims: tokens.claims(), refreshed: Boolean(refreshed.access_token) }
}

async function clientCredentials() {
  const config = await discover(WORKER_ID, WORKER_SECRET, client.ClientSecretPost(WORKER_SECRET))
  return await client.clientCredentialsGrant(config, { scope: 'read:users', resource: API })
}

const flows = { code, device, clientCredentials }
say({ result: await flows[process.argv[2]]() })
