// An API that asks about access tokens with openid-client (RFC 7662), found by discovery (docs/verifiers.md).

import * as client from 'openid-client'

import { Refused, serve } from './bearer.mjs'

const { ISSUER, AUDIENCE, PORT, CLIENT_ID, CLIENT_SECRET } = process.env
// Plain HTTP is for this test's loopback address alone.
const config = await client.discovery(
  new URL(ISSUER), CLIENT_ID, undefined, client.ClientSecretBasic(CLIENT_SECRET), { execute: [client.allowInsecureRequests] })

async function verify(token) {
  const found = await client.tokenIntrospection(config, token)
  if (!found.active || found.aud !== AUDIENCE) throw new Refused(401, 'invalid_token')
  return found
}

serve(PORT, verify)
