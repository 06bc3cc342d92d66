// A resource server written by others: jose verifies a token, its keys found through the issuer's discovery alone.
// Arguments: issuer, audience, algorithms (comma-separated). The token comes on standard input; the claims go to
// standard output.
import { readFileSync } from 'node:fs'
import { createRemoteJWKSet, jwtVerify } from 'jose'

const [issuer, audience, algorithms] = process.argv.slice(2)
const token = readFileSync(0, 'utf8').trim()
const discovery = await (await fetch(`${issuer}/.well-known/openid-configuration`)).json()
if (discovery.issuer !== issuer) throw new Error(`issuer is ${discovery.issuer}`)
const keys = createRemoteJWKSet(new URL(discovery.jwks_uri))
const { payload, protectedHeader } = await jwtVerify(token, keys, { issuer, audience, algorithms: algorithms.split(',') })
console.log(JSON.stringify({ payload, protectedHeader }))
