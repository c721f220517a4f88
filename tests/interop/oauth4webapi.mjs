// oauth4webapi, as its examples use it: code with PKCE, nonce and issuer checks, userinfo, refresh, device, client credentials.

import * as oauth from 'oauth4webapi'

import { callbackServer, say } from './callback.mjs'

const { ISSUER, NATIVE_ID, TV_ID, WORKER_ID, WORKER_SECRET, API } = process.env
const issuer = new URL(ISSUER)
const plainHttp = { [oauth.allowInsecureRequests]: true }
const server = await oauth
  .discoveryRequest(issuer, { algorithm: 'oidc', ...plainHttp })
  .then((response) => oauth.processDiscoveryResponse(issuer, response))

async function code() {
  const client = { client_id: NATIVE_ID }
  const callback = await callbackServer()
  const verifier = oauth.generateRandomCodeVerifier()
  const state = oauth.generateRandomState()
  const nonce = oauth.generateRandomNonce()
  const url = new URL(server.authorization_endpoint)
  for (const [name, value] of Object.entries({
    client_id: NATIVE_ID,
    redirect_uri: callback.redirectUri,
    response_type: 'code',
    scope: 'openid offline_access read:users',
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
    nonce,
  })) url.searchParams.set(name, value)
  const answered = callback.next()
  say({ open: url.href })
  const params = oauth.validateAuthResponse(server, client, await answered, state)
  const response = await oauth.authorizationCodeGrantRequest(
    server, client, oauth.None(), params, callback.redirectUri, verifier, plainHttp)
  const tokens = await oauth.processAuthorizationCodeResponse(server, client, response, {
    expectedNonce: nonce,
    requireIdToken: true,
  })
  const claims = oauth.getValidatedIdTokenClaims(tokens)
  await oauth.validateApplicationLevelSignature(server, response, plainHttp)
  const user = await oauth
    .userInfoRequest(server, client, tokens.access_token, plainHttp)
    .then((answer) => oauth.processUserInfoResponse(server, client, claims.sub, answer))
  const refreshed = await oauth
    .refreshTokenGrantRequest(server, client, oauth.None(), tokens.refresh_token, plainHttp)
    .then((answer) => oauth.processRefreshTokenResponse(server, client, answer))
  callback.close()
  return { claims, user, rotated: refreshed.refresh_token !== tokens.refresh_token }
}

async function device() {
  const client = { client_id: TV_ID }
  const started = await oauth
    .deviceAuthorizationRequest(server, client, oauth.None(), new URLSearchParams({ scope: 'openid' }), plainHttp)
    .then((answer) => oauth.processDeviceAuthorizationResponse(server, client, answer))
  say({ open: started.verification_uri_complete, user_code: started.user_code })
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, started.interval * 1000))
    const answer = await oauth.deviceCodeGrantRequest(
      server, client, oauth.None(), started.device_code, plainHttp)
    try {
      const tokens = await oauth.processDeviceCodeResponse(server, client, answer)
      return { claims: oauth.getValidatedIdTokenClaims(tokens) }
    } catch (error) {
      if (error.error !== 'authorization_pending') throw error
    }
  }
}

async function clientCredentials() {
  const client = { client_id: WORKER_ID }
  const parameters = new URLSearchParams({ scope: 'read:users', resource: API })
  return await oauth
    .clientCredentialsGrantRequest(server, client, oauth.ClientSecretPost(WORKER_SECRET), parameters, plainHttp)
    .then((answer) => oauth.processClientCredentialsResponse(server, client, answer))
}

const flows = { code, device, clientCredentials }
say({ result: await flows[process.argv[2]]() })
