// A resource server written by others: jose verifies tokens, its keys found through the issuer's discovery alone.
// Arguments: issuer, audience, algorithms (comma-separated). Each line of standard input is a token; the answer is a
// line: "ok" and the claims, or "no" and why.
import { createInterface } from 'node:readline'
import { createRemoteJWKSet, jwtVerify } from 'jose'

const [issuer, audience, algorithms] = process.argv.slice(2)
const discovery = await (await fetch(`${issuer}/.well-known/openid-configuration`)).json()
if (discovery.issuer !== issuer) throw new Error(`issuer is ${discovery.issuer}`)
const keys = createRemoteJWKSet(new URL(discovery.jwks_uri))

for await (const token of createInterface({ input: process.stdin })) {
  try {
    const { payload } = await jwtVerify(token, keys, { issuer, audience, algorithms: algorithms.split(',') })
    console.log(`ok ${JSON.stringify(payload)}`)
  } catch (error) {
    console.log(`no ${error}`)
  }
}
