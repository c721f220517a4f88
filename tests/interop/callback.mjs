// The client's side of a browser: a loopback server that takes one redirect, and lines of JSON for whoever drives.

import { createServer } from 'node:http'

export const say = (message) => process.stdout.write(JSON.stringify(message) + '\n')

// Listens on the loopback port of the registered redirect URI; `next()` resolves with the URL of the next request.
export async function callbackServer() {
  const waiting = []
  const server = createServer((request, response) => {
    response.end('You can close this page.')
    waiting.shift()?.(new URL(request.url, base()))
  })
  await new Promise((resolve) => server.listen(Number(process.env.PORT), '127.0.0.1', resolve))
  const base = () => `http://127.0.0.1:${server.address().port}`
  return {
    redirectUri: `${base()}/callback`,
    next: () => new Promise((resolve) => waiting.push(resolve)),
    close: () => server.close(),
  }
}
