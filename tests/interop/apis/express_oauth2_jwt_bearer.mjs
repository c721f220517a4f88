// An API that express-oauth2-jwt-bearer protects, and that tells Tallystick of what it refuses (docs/verifiers.md).

import express from 'express'
import { auth, requiredScopes } from 'express-oauth2-jwt-bearer'

import { reporter } from './reporter.mjs'

const { ISSUER, AUDIENCE, PORT } = process.env
const report = reporter({ issuer: ISSUER, api: AUDIENCE, clientId: process.env.CLIENT_ID, clientSecret: process.env.CLIENT_SECRET })

// The library takes a token in the address, too, and Node.js the first of two Authorization headers (RFC 9700 section 4.3.2).
function oneTokenInTheHeader(request, response, next) {
  const reason = request.query.access_token !== undefined ? 'token_in_query'
    : request.headersDistinct.authorization?.length > 1 ? 'two_authorizations' : undefined
  if (reason === undefined) return next()
  next(Object.assign(new Error('The access token belongs into one Authorization header.'), {
    status: 400,
    headers: { 'WWW-Authenticate': 'Bearer realm="api", error="invalid_request"' },
    reason,
  }))
}

const reasons = { invalid_token: 'token_not_active', insufficient_scope: 'scope_missing' }

// Four parameters make it the handler of errors; the answer is the library's own.
function refused(error, request, response, next) {
  if (!error.headers?.['WWW-Authenticate']) return next(error)
  report({
    method: request.method,
    route: request.path,
    reason: error.reason ?? reasons[error.code] ?? 'no_token',
    status: error.status,
    required_scope: 'read:users',
    source_address: request.ip,
    user_agent: request.get('user-agent'),
  })
  response.status(error.status).set(error.headers).json({ error: error.code, detail: error.message })
}

const app = express()
app.get(
  '/users',
  oneTokenInTheHeader,
  auth({ issuerBaseURL: ISSUER, audience: AUDIENCE, strict: true }),
  requiredScopes('read:users'),
  (request, response) => response.json({ users: ['zoe'], asked_by: request.auth.payload.client_id }),
)
app.use(refused)
app.listen(Number(PORT), '127.0.0.1')
