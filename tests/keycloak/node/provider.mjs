// A foreign identity provider written by others: oidc-provider, with one user, for corp to trust.
// Arguments: port, and a file with {key, users, clients, issuer}: the private JWK that signs, users with their claims by
// name, clients as oidc-provider knows them, and the public URL if it is not the address. Users log in by the `password`
// grant, which is registered here: the tests are about tokens, not about pages. `resource` (RFC 8707) becomes the token's
// `aud`; a client whose `opaque` is true gets opaque access tokens, and the others JWTs.
import { readFileSync } from 'node:fs'
import { Provider, errors } from 'oidc-provider'

const [port, file] = process.argv.slice(2)
const given = JSON.parse(readFileSync(file, 'utf8'))
const { key, users, clients } = given
const issuer = given.issuer ?? `http://127.0.0.1:${port}`
const opaque = new Set(clients.filter((client) => client.opaque).map((client) => client.client_id))

const resourceServer = (resource, client) => ({
  audience: resource,
  scope: 'openid email profile',
  accessTokenTTL: 3600,
  accessTokenFormat: opaque.has(client.clientId) ? 'opaque' : 'jwt',
  jwt: { sign: { alg: 'RS256' } },
})

const provider = new Provider(issuer, {
  clients: clients.map(({ opaque, ...client }) => client),
  jwks: { keys: [key] },
  scopes: ['openid', 'email', 'profile'],
  claims: { openid: ['sub', 'groups'], email: ['email', 'email_verified'] },
  conformIdTokenClaims: false,
  findAccount: (ctx, id) => users[id] && { accountId: id, claims: () => ({ sub: id, ...users[id].claims }) },
  extraTokenClaims: (ctx, token) => users[token.accountId]?.claims,
  enabledJWA: { idTokenSigningAlgValues: ['RS256'] },
  features: {
    devInteractions: { enabled: false },
    introspection: { enabled: true },
    revocation: { enabled: true },
    resourceIndicators: {
      enabled: true,
      useGrantedResource: () => true,
      getResourceServerInfo: (ctx, resource, client) => resourceServer(resource, client),
    },
  },
})

provider.registerGrantType(
  'password',
  async (ctx) => {
    const { client, params } = ctx.oidc
    const user = users[params.username]
    if (!user || user.password !== params.password) throw new errors.InvalidGrant('no such user')
    const scope = 'openid email profile'
    const grant = new provider.Grant({ accountId: params.username, clientId: client.clientId })
    grant.addOIDCScope(scope)
    grant.addResourceScope(params.resource, scope)
    const token = new provider.AccessToken({
      accountId: params.username, client, grantId: await grant.save(), scope, gty: 'password',
    })
    token.resourceServer = new provider.ResourceServer(params.resource, resourceServer(params.resource, client))
    const identity = new provider.IdToken({ sub: params.username, ...user.claims }, { ctx })
    identity.scope = scope
    ctx.body = {
      access_token: await token.save(), id_token: await identity.issue({ use: 'idtoken' }),
      token_type: 'Bearer', expires_in: token.expiration, scope,
    }
  },
  ['username', 'password', 'resource'],
)

provider.listen(Number(port), '127.0.0.1')
