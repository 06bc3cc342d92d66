// A client written by others: oauth4webapi, which leaves each step to its user, logs in by code with PKCE, reads userinfo,
// refreshes, exchanges, asks about the new token, and revokes it.
// Arguments: issuer, client id, client secret, redirect URI, audience, authentication (basic or post), and the audience's
// own secret. The authorization URL goes to standard output; the URL to which the browser was sent back comes on standard
// input; the tokens go to standard output as JSON.
import { createInterface } from 'node:readline'
import * as oauth from 'oauth4webapi'

const [issuer, client_id, secret, redirect, audience, authentication, audienceSecret] = process.argv.slice(2)
const options = { [oauth.allowInsecureRequests]: true }
const client = { client_id }
const authenticate = authentication === 'basic' ? oauth.ClientSecretBasic(secret) : oauth.ClientSecretPost(secret)
const server = await oauth.processDiscoveryResponse(new URL(issuer), await oauth.discoveryRequest(new URL(issuer), options))

const verifier = oauth.generateRandomCodeVerifier()
const state = oauth.generateRandomState()
const nonce = oauth.generateRandomNonce()
const url = new URL(server.authorization_endpoint)
url.search = new URLSearchParams({
  client_id,
  redirect_uri: redirect,
  response_type: 'code',
  scope: 'openid email profile',
  state,
  nonce,
  code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
  code_challenge_method: 'S256',
})
console.log(url.href)

const lines = createInterface({ input: process.stdin })
const callback = await new Promise((resolve) => lines.once('line', resolve))
lines.close()
const parameters = oauth.validateAuthResponse(server, client, new URL(callback), state)
const login = await oauth.processAuthorizationCodeResponse(
  server, client,
  await oauth.authorizationCodeGrantRequest(server, client, authenticate, parameters, redirect, verifier, options),
  { expectedNonce: nonce, requireIdToken: true },
)
const { sub } = oauth.getValidatedIdTokenClaims(login)
const userinfo = await oauth.processUserInfoResponse(
  server, client, sub, await oauth.userInfoRequest(server, client, login.access_token, options),
)
const refreshed = await oauth.processRefreshTokenResponse(
  server, client, await oauth.refreshTokenGrantRequest(server, client, authenticate, login.refresh_token, options),
)

let exchanged, refusal
const active = []
try {
  const grant = 'urn:ietf:params:oauth:grant-type:token-exchange'
  const subject = { subject_token: refreshed.access_token, subject_token_type: 'urn:ietf:params:oauth:token-type:access_token', audience }
  exchanged = await oauth.processGenericTokenEndpointResponse(
    server, client, await oauth.genericTokenEndpointRequest(server, client, authenticate, grant, subject, options),
  )
  active.push(await isActive(exchanged.access_token))
  await oauth.processRevocationResponse(await oauth.revocationRequest(server, client, authenticate, exchanged.access_token, options))
  active.push(await isActive(exchanged.access_token))
} catch (error) {
  if (!(error instanceof oauth.ResponseBodyError)) throw error
  refusal = { status: error.status, error: error.error, error_description: error.error_description }
}
console.log(JSON.stringify({ login, refreshed, userinfo, exchanged, active, refusal }))

async function isActive(token) {
  const asking = { client_id: audience }
  const by = oauth.ClientSecretBasic(audienceSecret)
  const answer = await oauth.introspectionRequest(server, asking, by, token, options)
  return (await oauth.processIntrospectionResponse(server, asking, answer)).active
}
