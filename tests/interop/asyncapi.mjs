// AsyncAPI's own parser on the document of the file that is named: what it found there, and what it says against it.

import { readFileSync } from 'node:fs'

import { Parser } from '@asyncapi/parser'

import { say } from './callback.mjs'

const [file] = process.argv.slice(2)
const { document, diagnostics } = await new Parser().parse(readFileSync(file, 'utf8'), { source: file })

say({
  version: document?.version(),
  // Of the two severities below a warning the parser makes use for hints, such as that there is a newer AsyncAPI.
  against: diagnostics.filter(({ severity }) => severity <= 1).map(({ message, path }) => `${path.join('.')}: ${message}`),
  channels: document?.channels().all().map((channel) => channel.address()),
  operations: document?.operations().all().map((operation) => operation.action()),
  fields: Object.fromEntries(
    (document?.messages().all() ?? []).map((message) => [message.id(), Object.keys(message.payload()?.properties() ?? {})]),
  ),
})
