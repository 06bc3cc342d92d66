// What the page shows: a Cambio with the files of several teams, and an identity provider that publishes keys and no more,
// because Cambio mints every token itself.
import { spawn, spawnSync } from 'node:child_process'
import { createSign, generateKeyPairSync, randomUUID } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

export const ISSUER = 'https://sso.example.org/realms/corp'
const PARTNER = 'https://login.partner.example'
const SECRET = 'a secret of the test alone, and long enough'
const CLIENTS = ['batch-job', 'front-end-app', 'mobile-app', 'partner-portal']
// The longest time for anything that the test waits for.
export const PATIENCE = 20_000

const day = (days) => new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10)
export const AUDIENCES = {
  'back-end-api': ['payments-team', `
  - { clients: [front-end-app, mobile-app], scopes: [email, profile] }
  - { clients: [partner-portal], issuers: [partner], condition: 'claims.level == "gold"', expires: ${day(6)} }`],
  'invoices': ['payments-team', `
  - { clients: [front-end-app], scopes: [email] }
  - { clients: [batch-job], scopes: ["*"] }`],
  'ledger': ['finance-team', `
  - { clients: [batch-job], condition: '"auditor" in claims.realm_access.roles', expires: ${day(40)} }`],
  'reports': ['analytics-team', `
  - { clients: ["*"], scopes: [profile] }`],
  'warehouse': ['logistics-team', `
  - { clients: [batch-job, mobile-app] }
  - { clients: [partner-portal], issuers: [partner], expires: ${day(-3)} }`],
}

const file = (audience, owner, permissions) =>
  `audience: ${audience}\nowner: ${owner}\nissuance: mint\nroles: { own: true }\ntoken: { lifetime: 5m }\npermissions:${permissions}\n`

/** The keys of the identity provider and of the partner, and a page of another origin. */
export class Provider {
  #keys = Object.fromEntries(['corp', 'partner'].map((name) => [name, generateKeyPairSync('rsa', { modulusLength: 2048 })]))

  async start() {
    this.server = createServer((request, answer) => {
      const name = /^\/realms\/([a-z]+)\//.exec(request.url)?.[1]
      if (request.url === '/evil') return answer.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>evil</title>')
      if (!this.#keys[name]) return answer.writeHead(404).end()
      const jwk = { ...this.#keys[name].publicKey.export({ format: 'jwk' }), kid: `${name}-2026-11`, alg: 'RS256', use: 'sig' }
      const odd = { kty: 'RSA', e: 'AQAB', kid: `${name}-odd`, use: 'sig' }
      answer.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ keys: name === 'partner' ? [jwk, odd] : [jwk] }))
    })
    await new Promise((resolve) => this.server.listen(0, '127.0.0.1', resolve))
    this.origin = `http://127.0.0.1:${this.server.address().port}`
    return this
  }

  token(name, claims) {
    const now = Math.floor(Date.now() / 1000)
    const usual = name === 'corp'
      ? { iss: ISSUER, typ: 'Bearer', sub: 'alice', realm_access: { roles: ['auditor', 'offline_access'] }, resource_access: { 'back-end-api': { roles: ['reader'] } } }
      : { iss: PARTNER, sub: 'carol', aud: ISSUER }
    const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')
    const text = `${part({ alg: 'RS256', typ: 'JWT', kid: `${name}-2026-11` })}.${part({ ...usual, jti: randomUUID(), iat: now, exp: now + 300, ...claims })}`
    return `${text}.${createSign('RSA-SHA256').update(text).sign(this.#keys[name].privateKey, 'base64url')}`
  }
}

/** A running Cambio. */
export class Cambio {
  constructor(binary, provider) {
    this.binary = binary
    this.provider = provider
    this.folder = mkdtempSync(join(tmpdir(), 'cambio-page-'))
  }

  write(name, text) {
    const path = join(this.folder, name)
    mkdirSync(join(path, '..'), { recursive: true })
    writeFileSync(path, text, { mode: 0o600 })
  }

  run(...words) {
    const { input, arguments: given } = typeof words[0] === 'object' ? words[0] : { arguments: words }
    const ended = spawnSync(this.binary, given, { cwd: this.folder, input, encoding: 'utf8', timeout: PATIENCE })
    if (ended.status !== 0) throw new Error(`cambio ${given.join(' ')}: ${ended.stderr}`)
    return ended.stdout
  }

  /** `admin`: further keys of the section `admin`. */
  async start(admin = '') {
    const hash = this.run({ input: SECRET, arguments: ['client-secret'] })
    this.write('secret.hash', hash)
    this.run('keys', 'generate', '--dir', 'keys', '--type', 'p256')
    this.run('keys', 'rotate', '--dir', 'keys', '--min-published', '0s')
    const clients = CLIENTS.map((client) => `      ${client}: [{ method: client_secret, secretHashFile: secret.hash }]`)
    this.write('cambio.yaml', `upstream: { url: "${this.provider.origin}" }
listen: { address: "127.0.0.1:0" }
admin: { address: "127.0.0.1:0"${admin} }
realms:
  corp:
    issuer: ${ISSUER}
    subjectIssuers: [corp, partner]
    signingKeys: keys
    clients:
${clients.join('\n')}
issuers:
  partner:
    issuer: { url: ${PARTNER}, audiences: ["${ISSUER}"] }
    jwksURL: ${this.provider.origin}/realms/partner/certs
audit: { output: audit.jsonl }
log: { format: json }
`)
    for (const [audience, [owner, permissions]] of Object.entries(AUDIENCES)) this.write(`audiences/${audience}.yaml`, file(audience, owner, permissions))
    this.process = spawn(this.binary, ['serve', '--config', 'cambio.yaml'], { cwd: this.folder, stdio: ['ignore', 'ignore', 'pipe'] })
    const log = []
    const ports = new Promise((resolve, reject) => {
      this.process.once('exit', (status) => reject(new Error(`cambio ended with ${status}:\n${log.join('\n')}`)))
      createInterface({ input: this.process.stderr }).on('line', (line) => {
        log.push(line)
        const { address, admin } = line.includes('is serving') ? JSON.parse(line) : {}
        if (address) resolve([address, admin])
      })
    })
    const late = setTimeout(() => this.process.kill(), PATIENCE)
    const [address, listener] = await ports
    clearTimeout(late)
    this.log = log
    this.token = `http://${address}/realms/corp/protocol/openid-connect/token`
    this.admin = `http://${listener}`
    return this
  }

  async stop() {
    if (this.process?.exitCode === null && this.process.kill('SIGKILL')) await new Promise((resolve) => this.process.once('exit', resolve))
    rmSync(this.folder, { recursive: true, force: true })
  }

  async exchange(client, audience, { issuer = 'corp', claims = {}, secret = SECRET, ...changes } = {}) {
    const fields = {
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange', client_id: client, client_secret: secret, audience,
      subject_token: this.provider.token(issuer, { ...(issuer === 'corp' ? { azp: client } : {}), ...claims }),
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token', ...changes,
    }
    const answer = await fetch(this.token, { method: 'POST', body: new URLSearchParams(fields), signal: AbortSignal.timeout(PATIENCE) })
    return answer.status
  }

  /** The last line of the audit log. */
  lastLine() {
    return readFileSync(join(this.folder, 'audit.jsonl'), 'utf8').trim().split('\n').at(-1)
  }

  /** Writes a file and waits until a load has ended. */
  async rewrite(name, text) {
    const loads = async () => (await (await fetch(`${this.admin}/metrics`)).text()).match(/^cambio_config_reloads_total.*$/gm).join()
    const before = await loads()
    this.write(name, text)
    const end = Date.now() + PATIENCE
    while (await loads() === before) {
      if (Date.now() > end) throw new Error('no reload')
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }

  /** Breaks warehouse's file. */
  async breakFile() {
    await this.rewrite('audiences/warehouse.yaml', file('warehouse', 'logistics-team', `\n  - { client: [batch-job] }`))
  }
}
