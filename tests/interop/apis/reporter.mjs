// Tells Tallystick of refused accesses, in batches, beside the requests: POST /access/rejected (docs/http-api.md).

import { randomUUID } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'

const PAUSE = 250
const RETRY = 5_000
const BATCH = 100
const KEPT = 10_000
const LONGEST = 200
const short = (text) => text?.slice(0, LONGEST)
const pause = (milliseconds) => setTimeout(milliseconds, undefined, { ref: false }) // holds no program that ends

// Gives what takes a refusal: `reason` is one of docs/rejections.md. The client needs the scope access:report.
export function reporter({ issuer, api, clientId, clientSecret }) {
  const waiting = []
  let dropped = 0
  let token
  let sending = false

  async function fetchToken() {
    const answer = await fetch(`${issuer}/oauth2/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}` },
      body: new URLSearchParams({ grant_type: 'client_credentials', resource: 'urn:tallystick:api', scope: 'access:report' }),
    })
    if (!answer.ok) throw new Error(`no token for reports: ${answer.status}`)
    const { access_token: value, expires_in: lifetime } = await answer.json()
    token = { value, until: Date.now() + (lifetime - 30) * 1000 }
  }

  async function send() {
    if (token === undefined || token.until < Date.now()) await fetchToken()
    const batch = waiting.slice(0, BATCH)
    const told = dropped
    const answer = await fetch(`${issuer}/access/rejected`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token.value}`, 'content-type': 'application/json' },
      body: JSON.stringify({ api, dropped: told, rejections: batch }),
    })
    if (answer.status === 401) token = undefined
    // A report with a mistake would be refused for ever, and keep the others waiting.
    if (answer.ok || answer.status === 400) waiting.splice(0, batch.length)
    if (answer.ok) dropped -= told
    else throw new Error(`a report was answered ${answer.status}: ${await answer.text()}`)
  }

  async function sendAll() {
    sending = true
    while (waiting.length > 0) {
      await pause(PAUSE)
      try {
        await send()
      } catch (error) {
        console.error(error.message)
        await pause(RETRY)
      }
    }
    sending = false
  }

  return ({ route, user_agent, ...refusal }) => {
    if (waiting.length >= KEPT) dropped += 1
    else waiting.push({ id: randomUUID(), at: Date.now() / 1000, route: short(route), user_agent: short(user_agent), ...refusal })
    if (!sending) sendAll()
  }
}
