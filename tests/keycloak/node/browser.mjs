// A single-page application in a real Chromium, driven by playwright-core: keycloak-js logs a user in, and the page
// exchanges the user's token. Standard input: JSON with port (of the application), url and realm (of the server), user,
// password, target and forbidden (audiences). Standard output: what each step in the page gave, as JSON.
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { chromium } from 'playwright-core'

const given = JSON.parse(readFileSync(0, 'utf8'))
const here = (path) => readFileSync(new URL(path, import.meta.url))
const files = {
  '/': ['text/html', here('./page/index.html')],
  '/page.js': ['text/javascript', here('./page/page.js')],
  '/keycloak.js': ['text/javascript', here('./node_modules/keycloak-js/lib/keycloak.js')],
}
const server = createServer((request, answer) => {
  const [type, content] = files[request.url.split('?')[0]] ?? []
  if (type) answer.writeHead(200, { 'content-type': type }).end(content)
  else answer.writeHead(404).end()
}).listen(given.port, '127.0.0.1')

// As root, Chromium starts without its sandbox only.
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] })
const steps = { said: [] }
try {
  const page = await browser.newPage()
  page.setDefaultTimeout(20_000)
  page.on('console', (message) => message.type() === 'error' && steps.said.push(message.text()))
  page.on('pageerror', (error) => steps.said.push(String(error)))
  const ready = (state) => page.locator('#state', { hasText: state }).waitFor()
  const run = (name, ...values) => page.evaluate(([name, values]) => window.application[name](...values), [name, values])
  // A step whose answer the page may not read fails there, and the steps after it are still of interest.
  const step = async (key, name, ...values) => {
    steps[key] = await run(name, ...values).catch((error) => ({ failed: error.message.split('\n')[0] }))
  }

  await page.goto(`http://127.0.0.1:${given.port}/?${new URLSearchParams({ url: given.url, realm: given.realm })}`)
  await ready('logged out')
  await page.evaluate(() => void window.application.login())
  await page.locator('#username').fill(given.user)
  await page.locator('#password').fill(given.password)
  await page.locator('#kc-login').click()
  await ready('logged in')

  await step('login', 'tokens')
  await step('userinfo', 'userInfo')
  await step('exchanged', 'exchange', given.target, 'access_token')
  await step('withRefresh', 'exchange', given.target, 'refresh_token')
  await step('refreshedExchange', 'refreshExchanged', steps.withRefresh.document?.refresh_token ?? '')
  await step('refused', 'exchange', given.forbidden, 'access_token')
  await step('userinfoOfExchanged', 'read', 'userinfo', steps.exchanged.document?.access_token ?? '')
  await step('refreshed', 'refresh')
  await page.evaluate(() => void window.application.logout())
  await ready('logged out')
  steps.loggedOut = true
} catch (error) {
  steps.said.push(String(error))
} finally {
  await browser.close()
  server.close()
}
console.log(JSON.stringify(steps))
