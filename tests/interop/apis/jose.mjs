// An API that verifies access tokens with jose, by the issuer's published keys (docs/verifiers.md).

import { createRemoteJWKSet, errors, jwtVerify } from 'jose'

import { Refused, serve } from './bearer.mjs'

const { ISSUER, AUDIENCE, PORT } = process.env
const metadata = await (await fetch(`${ISSUER}/.well-known/oauth-authorization-server`)).json()
const keys = createRemoteJWKSet(new URL(metadata.jwks_uri))

async function verify(token) {
  try {
    const { payload } = await jwtVerify(token, keys, {
      issuer: ISSUER,
      audience: AUDIENCE,
      typ: 'at+jwt',
      requiredClaims: ['exp', 'sub', 'client_id'],
    })
    return payload
  } catch (error) {
    throw error instanceof errors.JOSEError ? new Refused(401, 'invalid_token') : error
  }
}

serve(PORT, verify)
