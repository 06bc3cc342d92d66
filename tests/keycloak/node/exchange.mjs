// A client written by others: openid-client exchanges a token, authenticated in one of the ways.
// Standard input: JSON with issuer, endpoint, client, fields (of the request), method, and what that needs: secret, jwk
// (private, with kid and alg), assertion and assertionType (made elsewhere), tls ({ca, cert, key}: paths).
// Standard output: JSON with the answer, or with the refusal.
import { readFileSync } from 'node:fs'
import https from 'node:https'
import * as client from 'openid-client'

const given = JSON.parse(readFileSync(0, 'utf8'))

const methods = {
  client_secret_basic: () => client.ClientSecretBasic(given.secret),
  client_secret_post: () => client.ClientSecretPost(given.secret),
  client_secret_jwt: () => client.ClientSecretJwt(given.secret),
  private_key_jwt: async () => {
    const { kid, alg, ...jwk } = given.jwk
    const algorithm = alg === 'ES256' ? { name: 'ECDSA', namedCurve: 'P-256' } : { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }
    return client.PrivateKeyJwt({ key: await crypto.subtle.importKey('jwk', jwk, algorithm, false, ['sign']), kid })
  },
  tls_client_auth: () => client.TlsClientAuth(),
  none: () => client.None(),
  // A platform's token: openid-client knows none of these, but takes what adds them.
  assertion: () => (server, { client_id }, body) => {
    body.set('client_id', client_id)
    body.set('client_assertion_type', given.assertionType)
    body.set('client_assertion', given.assertion)
  },
}

// fetch has no way to show a certificate.
const { ca, cert, key } = given.tls
const agent = new https.Agent({
  ca: readFileSync(ca),
  ...(cert && { cert: readFileSync(cert), key: readFileSync(key) }),
})
const overTls = (url, { method, headers, body }) =>
  new Promise((resolve, reject) => {
    const request = https.request(url, { method, headers: Object.fromEntries(new Headers(headers)), agent }, (answer) => {
      const chunks = []
      answer.on('data', (chunk) => chunks.push(chunk))
      answer.on('end', () => resolve(new Response(Buffer.concat(chunks), { status: answer.statusCode, headers: answer.headers })))
    })
    request.on('error', reject)
    request.end(body?.toString())
  })

const server = { issuer: given.issuer, token_endpoint: given.endpoint }
const config = new client.Configuration(server, given.client, undefined, await methods[given.method]())
config[client.customFetch] = overTls

const { grant_type, ...fields } = given.fields
try {
  console.log(JSON.stringify({ answer: await client.genericGrantRequest(config, grant_type, fields) }))
} catch (error) {
  const refused = error instanceof client.ResponseBodyError || error instanceof client.WWWAuthenticateChallengeError
  if (!refused) throw error
  const status = error.status ?? error.response?.status
  console.log(JSON.stringify({ refusal: { status, error: error.error ?? null } }))
}
