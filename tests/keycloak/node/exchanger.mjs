// Another authorization server written by others: oidc-provider, below Keycloak's paths or at its own, with a grant for token
// exchange (RFC 8693) registered as its documentation shows. Arguments: port, and a file with {issuer, root, jwk, clients}:
// `root` says whether its paths are its own, and `jwk` is the private key that signs. `GET /performed` lists the audiences of the
// exchanges so far, `DELETE /performed` forgets them.
import { readFileSync } from 'node:fs'
import express from 'express'
import { createLocalJWKSet, jwtVerify } from 'jose'
import { Provider, errors } from 'oidc-provider'

const [port, file] = process.argv.slice(2)
const { issuer, root, jwk, clients } = JSON.parse(readFileSync(file, 'utf8'))
const performed = []
const endpoints = '/protocol/openid-connect'

const provider = new Provider(issuer, {
  clients,
  jwks: { keys: [jwk] },
  routes: root ? {} : { token: `${endpoints}/token`, jwks: `${endpoints}/certs`, authorization: `${endpoints}/auth`, userinfo: `${endpoints}/userinfo` },
  findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  // What Keycloak writes into an access token, and Cambio looks for in one that it forwards.
  extraTokenClaims: (ctx, token) => ({ typ: 'Bearer', azp: token.clientId }),
  features: { devInteractions: { enabled: false }, resourceIndicators: { enabled: false } },
})

const keys = createLocalJWKSet({ keys: [{ kty: jwk.kty, n: jwk.n, e: jwk.e, kid: jwk.kid, alg: 'RS256' }] })
const tokenExchange = 'urn:ietf:params:oauth:grant-type:token-exchange'

async function exchange(ctx) {
  const { client, params } = ctx.oidc
  const subject = await jwtVerify(params.subject_token ?? '', keys, { issuer }).catch(() => {
    throw new errors.InvalidGrant('invalid subject token')
  })
  const audience = [params.audience ?? 'none'].flat()
  performed.push(audience.join(' '))
  const token = new provider.AccessToken({ accountId: subject.payload.sub, client, scope: 'openid', gty: 'token_exchange' })
  token.resourceServer = new provider.ResourceServer(`urn:${audience[0]}`, {
    audience: audience[0], accessTokenFormat: 'jwt', accessTokenTTL: 300, scope: 'openid', jwt: { sign: { alg: 'RS256' } },
  })
  ctx.body = {
    access_token: await token.save(),
    issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    token_type: 'Bearer',
    expires_in: 300,
  }
}

const parameters = ['audience', 'resource', 'scope', 'requested_token_type', 'subject_token', 'subject_token_type', 'actor_token', 'actor_token_type']
provider.registerGrantType(tokenExchange, exchange, parameters, ['audience', 'resource'])

const application = express()
application.get('/performed', (request, answer) => answer.json({ performed }))
application.delete('/performed', (request, answer) => answer.json({ performed: performed.splice(0) }))
application.use(new URL(issuer).pathname, provider.callback())
application.listen(Number(port), '127.0.0.1')
