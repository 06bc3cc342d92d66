// A client written by others: openid-client logs in by code with PKCE, then exchanges.
// Arguments: issuer, client id, client secret, redirect URI, audience. The authorization URL goes to standard output;
// the URL to which the browser was sent back comes on standard input; the tokens go to standard output as JSON.
import { createInterface } from 'node:readline/promises'
import * as client from 'openid-client'

const [issuer, id, secret, redirect, audience, authentication] = process.argv.slice(2)
const method = authentication === 'basic' ? client.ClientSecretBasic(secret) : client.ClientSecretPost(secret)
const config = await client.discovery(new URL(issuer), id, undefined, method, { execute: [client.allowInsecureRequests] })

const verifier = client.randomPKCECodeVerifier()
const state = client.randomState()
const authorize = client.buildAuthorizationUrl(config, {
  redirect_uri: redirect,
  scope: 'openid email profile',
  state,
  code_challenge: await client.calculatePKCECodeChallenge(verifier),
  code_challenge_method: 'S256',
})
console.log(authorize.href)

const lines = createInterface({ input: process.stdin })
const [callback] = await new Promise((resolve) => lines.once('line', (line) => resolve([line])))
const login = await client.authorizationCodeGrant(config, new URL(callback), {
  pkceCodeVerifier: verifier,
  expectedState: state,
})
const userinfo = await client.fetchUserInfo(config, login.access_token, login.claims().sub)
const refreshed = await client.refreshTokenGrant(config, login.refresh_token)

let exchanged, refusal
try {
  exchanged = await client.genericGrantRequest(config, 'urn:ietf:params:oauth:grant-type:token-exchange', {
    subject_token: refreshed.access_token,
    subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    requested_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    audience,
  })
} catch (error) {
  if (!(error instanceof client.ResponseBodyError)) throw error
  refusal = { status: error.status, error: error.error, error_description: error.error_description }
}
console.log(JSON.stringify({ login, refreshed, userinfo, exchanged, refusal }))
lines.close()
