// An authorization server for tests written by others: oauth2-mock-server, at its own paths. It authenticates nobody, logs
// in everybody, and reads paths and bodies leniently. Arguments: port, and a file with {issuer}. Its access tokens name
// their client, as RFC 9068 wants.
import { readFileSync } from 'node:fs'
import { OAuth2Server } from 'oauth2-mock-server'

const [port, file] = process.argv.slice(2)
const { issuer } = JSON.parse(readFileSync(file, 'utf8'))

const server = new OAuth2Server()
await server.issuer.keys.generate('RS256')
server.service.on('beforeTokenSigning', (token, request) => {
  const { client_id } = request.body
  Object.assign(token.payload, { client_id, aud: client_id, sub: token.payload.sub ?? client_id, scope: 'openid email' })
})
await server.start(Number(port), '127.0.0.1')
server.issuer.url = issuer
