// RFC 6750 for an API without a framework: the token of a request, and how a refusal is answered.

import { createServer } from 'node:http'

export class Refused extends Error {
  constructor(status, error, scope) {
    super(error ?? 'no token')
    this.status = status
    this.challenge = ['Bearer realm="api"', error && `error="${error}"`, scope && `scope="${scope}"`].filter(Boolean).join(', ')
  }
}

function presented(request) {
  const [authorization, second] = request.headersDistinct.authorization ?? []
  if (second !== undefined || new URL(request.url, 'http://api').searchParams.has('access_token')) {
    throw new Refused(400, 'invalid_request')
  }
  const [scheme, token] = /^(\S+) +(.+)$/.exec(authorization ?? '')?.slice(1) ?? []
  if (scheme?.toLowerCase() !== 'bearer') throw new Refused(401)
  return token
}

// GET /users for who has the scope read:users. `verify` gives a token's claims, or throws Refused.
export function serve(port, verify) {
  createServer(async (request, response) => {
    try {
      const claims = await verify(presented(request))
      if (!claims.scope.split(' ').includes('read:users')) throw new Refused(403, 'insufficient_scope', 'read:users')
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({ users: ['zoe'], asked_by: claims.client_id }))
    } catch (error) {
      if (!(error instanceof Refused)) console.error(error)
      response.statusCode = error.status ?? 503
      if (error.challenge) response.setHeader('www-authenticate', error.challenge)
      response.end()
    }
  }).listen(Number(port), '127.0.0.1')
}
