// The admin page in a real Chromium. Arguments: the binary, and maybe --screenshots.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, statSync } from 'node:fs'
import { chromium } from 'playwright-core'
import { Cambio, PATIENCE, Provider } from './world.mjs'

const [binary, ...options] = process.argv.slice(2)
const images = new URL('../../docs/images/', import.meta.url).pathname
const axe = readFileSync(new URL('./node_modules/axe-core/axe.min.js', import.meta.url), 'utf8')
const HOSTILE = '<img src=x onerror="document.title=1">'
const TOKEN = 'c29tZSByYW5kb20gYnl0ZXMsIGVuY29kZWQgaW4gYmFzZTY0'
const MOST_BYTES = 150_000

const provider = await new Provider().start()
const cambio = await new Cambio(binary, provider).start()
// As root, Chromium starts without its sandbox only. The name is one that somebody's DNS makes lead to this machine.
const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-lcd-text', '--host-resolver-rules=MAP rebound.example 127.0.0.1'],
})

/** A page whose complaints (script errors, violations of the content security policy, failed requests) fail the test. */
async function open(url, settings = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, colorScheme: 'light', reducedMotion: 'reduce', ...settings })
  const page = await context.newPage()
  page.setDefaultTimeout(PATIENCE)
  page.complaints = []
  page.on('console', (message) => ['error', 'warning'].includes(message.type()) && page.complaints.push(message.text()))
  page.on('pageerror', (error) => page.complaints.push(String(error)))
  page.on('dialog', (dialog) => { page.complaints.push(`a dialog: ${dialog.message()}`); dialog.dismiss() })
  page.on('request', (request) => request.url().startsWith(new URL(url).origin) || page.complaints.push(`outside: ${request.url()}`))
  await page.goto(url)
  return page
}

async function accessible(page, state) {
  await page.evaluate(axe)
  const { violations } = await page.evaluate(() => window.axe.run(document, {
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
  }))
  const found = violations.map((one) => `${one.id}: ${one.help}\n    ${one.nodes.map((node) => `${node.html} ${node.failureSummary}`).join('\n    ')}`)
  assert.deepEqual(found, [], `axe finds in ${state}:\n${found.join('\n')}`)
}

/** Presses Tab until the focus is there, and checks that the focus can be seen all the way. */
async function tabTo(page, selector, key = 'Tab') {
  for (let presses = 0; presses < 150; presses += 1) {
    await page.keyboard.press(key)
    const there = await page.evaluate((selector) => {
      const active = document.activeElement
      const { outlineStyle, outlineWidth } = getComputedStyle(active)
      const isVisible = active === document.body || (outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2)
      return { found: active.matches(selector), lost: isVisible ? null : active.outerHTML }
    }, selector)
    assert.equal(there.lost, null, 'the focus can not be seen')
    if (there.found) return
  }
  assert.fail(`Tab never reaches ${selector}`)
}

const focused = (page) => page.evaluate(() => document.activeElement.dataset.key ?? document.activeElement.id)
const tests = {}

tests['what happened is on the page, and as text only'] = async () => {
  const page = await open(cambio.admin)
  await page.locator('#matrix table').waitFor()
  const text = async (selector) => page.locator(selector).innerText()
  assert.match(await text('#matrix'), /back-end-api\s+payments-team/)
  assert.match(await text('#access-count'), /5 of 5 audiences/)
  assert.match(await text('#load'), /a part is refused[^]*warehouse[^]*logistics-team[^]*audiences\/warehouse\.yaml[^]*its last good version[^]*line 7: permissions\[0\]/)
  assert.match(await text('#ends-list'), /warehouse: permissions\[1\]\s+\d day/)
  assert.match(await text('#ends-list'), /retired signing key/)
  assert.match(await text('#issuers-list'), /corp-2026-11 RS256[^]*Cambio's active key[^]*partner-odd not used: n is missing/)
  const cell = page.locator('#matrix tr', { hasText: 'reports' }).locator('button')
  assert.match(await cell.innerText(), /\[0\] mint\s+2× · /)
  assert.match(await text('#decisions-table'), /audience_unknown/)
  // A caller's text stays text.
  assert.ok((await text('#decisions-table')).includes(HOSTILE))
  assert.equal(await page.locator('#decisions-table img').count(), 0)
  assert.equal(await page.title(), 'Cambio')
  return page
}

tests['the keyboard is enough'] = async () => {
  const page = await open(cambio.admin)
  await page.locator('#matrix table').waitFor()
  await tabTo(page, '.skip')
  await page.keyboard.press('Enter')
  await tabTo(page, '#filter-client')
  await page.keyboard.type('partner')
  await page.locator('#access-count', { hasText: '3 found' }).waitFor()
  await page.locator('#said', { hasText: '3 found' }).waitFor({ state: 'attached' })
  await tabTo(page, '#matrix button')
  const cell = await focused(page)
  await page.keyboard.press('Enter')
  await page.locator('#details', { hasText: 'audiences/back-end-api.yaml:8' }).waitFor()
  await page.keyboard.press('Escape')
  assert.equal(await focused(page), cell, 'the focus comes back')
  // A refresh leaves the focus where it is.
  const refreshed = page.waitForResponse((answer) => answer.url().includes('/page.json'))
  await page.evaluate(() => document.getElementById('refresh').click())
  await (await refreshed).finished()
  await page.waitForFunction(() => document.getElementById('said').textContent.startsWith('Up to date'))
  assert.equal(await focused(page), cell, 'a refresh leaves the focus alone')
  // A decision is one press from its explanation.
  await tabTo(page, '#decisions-table button')
  await page.keyboard.press('Enter')
  await page.locator('#details', { hasText: 'Judged again now' }).waitFor()
  await page.locator('#details', { hasText: 'The smallest permission that would allow it' }).waitFor()
  await accessible(page, 'an explanation')
  await tabTo(page, '#details .row button')
  await page.keyboard.press('Enter')
  assert.equal(await focused(page), 'ask-client', 'the simulator is filled')
  return page
}

tests['the simulator answers as the gate does'] = async () => {
  const page = await open(cambio.admin)
  await page.locator('#matrix table').waitFor()
  const ask = async (client, audience, claims) => {
    await page.locator('#ask-client').fill(client)
    await page.locator('#ask-audience').fill(audience)
    await page.locator('#ask-claims').fill(claims)
    await page.locator('#ask-client').press('Enter')
    await page.waitForFunction(() => document.getElementById('ask-said').textContent !== '')
    return page.locator('#ask-said').innerText()
  }
  assert.equal(await ask('batch-job', 'ledger', '{"realm_access": {"roles": ["auditor"]}}'), 'Allowed.')
  assert.match(await page.locator('#ask-answer').innerText(), /by ledger permissions\[0\]/)
  await page.locator('#ask-claims').fill('')
  assert.match(await ask('batch-job', 'ledger', '{}'), /^Refused: condition_/)
  assert.match(await page.locator('#ask-answer').innerText(), /What the caller gets: 40\d[^]*ledger: permissions\[0\][^]*ledger\.yaml:7/)
  await accessible(page, 'an answer of the simulator')
  assert.match(await ask('batch-job', 'ledger', '[]'), /must be a JSON object/)
  assert.equal(await page.locator('#ask-answer').innerText(), '')
  return page
}

for (const [name, settings] of Object.entries({
  light: {}, dark: { colorScheme: 'dark' }, narrow: { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2 },
})) {
  tests[`everybody can use it: ${name}`] = async () => {
    const page = await open(cambio.admin, settings)
    await page.locator('#matrix table').waitFor()
    await accessible(page, name)
    const [content, window] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth])
    assert.ok(content <= window, `the page is ${content} px wide in a window of ${window} px`)
    if (options.includes('--screenshots')) {
      mkdirSync(images, { recursive: true })
      const path = `${images}page-${name}.png`
      await page.evaluate(() => document.activeElement.blur())
      await page.screenshot({ path, scale: 'css' })
      assert.equal(spawnSync('pngquant', ['--force', '--strip', '--ext', '.png', '128', path]).status, 0, 'pngquant')
      assert.ok(statSync(path).size < MOST_BYTES, `${path} has ${statSync(path).size} bytes`)
    }
    return page
  }
}

tests['no other page reads it'] = async () => {
  const page = await open(`${provider.origin}/evil`)
  const statuses = []
  page.on('response', (answer) => answer.url().startsWith(cambio.admin) && statuses.push(answer.status()))
  const reads = (path) => page.evaluate((url) => fetch(url, { mode: 'no-cors' }).then((answer) => answer.text()), `${cambio.admin}${path}`)
  for (const path of ['/page.json', '/config']) assert.equal(await reads(path), '', path)
  assert.deepEqual(statuses, [403, 403])
  // Rebinding: the page's own name leads to this machine, so the browser takes the two for one origin.
  const answer = await page.goto(cambio.admin.replace('127.0.0.1', 'rebound.example'))
  assert.equal(answer.status(), 421)
  assert.doesNotMatch(await answer.text(), /back-end-api/)
  page.complaints.length = 0 // the browser says that it was refused
  return page
}

tests['with a token, the page asks for it'] = async () => {
  const guarded = new Cambio(binary, provider)
  guarded.write('admin.token', `${TOKEN}\n`)
  try {
    await guarded.start(', tokenFile: admin.token')
    const page = await open(guarded.admin)
    await page.locator('#token-text').waitFor()
    await accessible(page, 'the form for the token')
    assert.equal(await page.locator('#content').isVisible(), false)
    assert.equal(await focused(page), 'token-text')
    await page.keyboard.type('wrong')
    await page.keyboard.press('Enter')
    await page.locator('#alarm', { hasText: 'The token is refused' }).waitFor()
    page.complaints.splice(0).forEach((text) => assert.match(text, /401/))
    await page.keyboard.type(TOKEN)
    await page.keyboard.press('Enter')
    await page.locator('#matrix table').waitFor()
    assert.equal(await page.locator('#alarm').isVisible(), false)
    assert.deepEqual(await page.evaluate(() => [{ ...localStorage }, { ...sessionStorage }, document.cookie]), [{}, {}, ''], 'the token is kept nowhere')
    return page
  } finally {
    await guarded.stop()
  }
}

try {
  for (let turn = 0; turn < 9; turn += 1) await cambio.exchange('front-end-app', 'back-end-api', { scope: 'email' })
  for (const [client, audience, changes, status = 200] of [
    ['mobile-app', 'back-end-api', {}], ['batch-job', 'invoices', {}], ['batch-job', 'ledger', {}], ['mobile-app', 'warehouse', {}],
    ['front-end-app', 'reports', {}], ['mobile-app', 'reports', {}],
    ['partner-portal', 'back-end-api', { issuer: 'partner', claims: { level: 'gold' } }],
    ['partner-portal', 'back-end-api', { issuer: 'partner', claims: { level: 'silver' } }, 403],
    ['partner-portal', 'warehouse', { issuer: 'partner' }, 403],
    ['front-end-app', 'back-end-api', { secret: 'a wrong one' }, 401], ['front-end-app', HOSTILE, {}, 403], ['front-end-app', 'invoices', {}],
    ['front-end-app', 'ledger', {}, 403],
  ]) assert.equal(await cambio.exchange(client, audience, changes), status, `${client} for ${audience}`)
  await cambio.breakFile()
  for (const [name, test] of Object.entries(tests)) {
    const page = await test().catch((error) => { throw new Error(`${name}: ${error.stack}`, { cause: error }) })
    assert.deepEqual(page.complaints, [], `${name}: the browser complains`)
    await page.context().close()
    console.log(`ok  ${name}`)
  }
} catch (error) {
  console.error(error.message)
  console.error(`${cambio.log.slice(-5).join('\n')}\n${cambio.lastLine()}`)
  process.exitCode = 1
} finally {
  await browser.close()
  provider.server.close()
  provider.server.closeAllConnections()
  await cambio.stop()
}
