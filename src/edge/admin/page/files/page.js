// The page for operators. It reads /page.json and asks /explain; it changes nothing. Every text comes from files, tokens or
// callers, so it becomes text of an element and never markup.

const PERIOD = 10_000
const COLUMNS = 12
const byId = (id) => document.getElementById(id)

let token = null
let shown = null
let skew = 0
let asked = 0

// Elements. A child is an element or a text; null is left out.
function h(name, properties, ...children) {
  const element = document.createElement(name)
  for (const [key, value] of Object.entries(properties ?? {})) {
    if (value === null || value === undefined || value === false) continue
    if (key === 'onclick') element.addEventListener('click', value)
    else element.setAttribute(key, value === true ? '' : String(value))
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined))
  return element
}

// Replaces what an element contains, and keeps the focus on the control with the same key.
function fill(id, ...children) {
  const element = byId(id)
  const key = element.contains(document.activeElement) ? document.activeElement.dataset.key : undefined
  const [top, left] = [element.scrollTop, element.scrollLeft]
  element.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined))
  if (key) [...element.querySelectorAll('[data-key]')].find((control) => control.dataset.key === key)?.focus()
  element.scrollTop = top
  element.scrollLeft = left
}

const badge = (kind, text) => h('span', { class: `badge ${kind}` }, text ?? kind)
const count = (number, word) => `${number.toLocaleString('en')} ${word}${number === 1 ? '' : 's'}`
const say = (text) => { byId('said').textContent = text }

function table(caption, columns, rows) {
  return h('table', null,
    h('caption', { class: 'visually-hidden' }, caption),
    h('thead', null, h('tr', null, columns.map((column) => h('th', { scope: 'col' }, column)))),
    h('tbody', null, rows))
}

// Times. The text beside a time grows old, so that it is written anew with every tick.
const UNITS = [[86_400, 'day'], [3600, 'h'], [60, 'min'], [1, 's']]
function length(seconds) {
  const [size, unit] = UNITS.find(([size]) => seconds >= size) ?? UNITS.at(-1)
  const number = Math.floor(seconds / size)
  return `${number} ${unit}${unit === 'day' && number !== 1 ? 's' : ''}`
}
function relative(at) {
  const seconds = Math.round((Date.now() + skew - Date.parse(at)) / 1000)
  if (Math.abs(seconds) < 1) return 'now'
  return seconds > 0 ? `${length(seconds)} ago` : `in ${length(-seconds)}`
}
const exact = (at) => new Date(at).toISOString().replace('T', ' ').replace(/(\.\d+)?Z$/, ' UTC')
const time = (at) => h('time', { datetime: at, title: exact(at) }, relative(at))
function tick() {
  for (const element of document.querySelectorAll('time')) element.textContent = relative(element.dateTime)
}

// Requests.
async function request(path, options = {}) {
  const headers = { ...options.headers }
  if (token) headers.authorization = `Bearer ${token}`
  return fetch(path, { ...options, headers, cache: 'no-store', credentials: 'omit', redirect: 'error' })
}

function alarm(text) {
  byId('alarm').hidden = !text
  byId('alarm').textContent = text ?? ''
}

async function refresh() {
  const mine = ++asked
  const filter = new URLSearchParams()
  for (const name of ['realm', 'audience', 'client']) {
    const value = byId(`filter-${name}`).value.trim()
    if (value) filter.set(name, value)
  }
  try {
    const answer = await request(`/page.json?${filter}`)
    const text = await answer.text()
    if (mine !== asked) return
    if (answer.status === 401) return demandToken(text)
    if (!answer.ok) return alarm(`Cambio answers ${answer.status}: ${text.trim()}`)
    show(JSON.parse(text))
    alarm(null)
  } catch (error) {
    if (mine === asked) alarm(`Cambio does not answer: ${error.message}. What is shown may be old.`)
  }
}

function demandToken(text) {
  const wasSent = token !== null
  token = null
  byId('content').hidden = true
  byId('token').hidden = false
  alarm(wasSent ? `The token is refused. ${text.trim()}` : null)
  if (!byId('token').contains(document.activeElement)) byId('token-text').focus()
}

function show(next) {
  skew = Date.parse(next.now) - Date.now()
  const before = shown
  shown = next
  const changed = (...keys) => !before || keys.some((key) => JSON.stringify(before[key]) !== JSON.stringify(next[key]))
  byId('token').hidden = true
  byId('content').hidden = false
  byId('updated').textContent = exact(next.now).slice(11)
  byId('facts').textContent = `${next.version} · policy ${next.policyHash.slice(0, 8)}`
  if (changed('realms')) showRealms()
  if (changed('matrix')) showMatrix()
  if (changed('decisions')) showDecisions()
  if (changed('load')) showLoad()
  if (changed('ends')) showEnds()
  if (changed('issuers', 'realms')) showIssuers()
  tick()
}

function showRealms() {
  for (const [id, first] of [['filter-realm', h('option', { value: '' }, 'all')], ['ask-realm', null]]) {
    const value = byId(id).value
    fill(id, first, shown.realms.map((realm) => h('option', { value: realm.name }, realm.name)))
    if ([...byId(id).options].some((option) => option.value === value)) byId(id).value = value
  }
}

// The matrix.
const ANY = '*'
function showMatrix() {
  const { rows, found, audiences } = shown.matrix
  const named = new Set(rows.flatMap((row) => row.permissions.flatMap((permission) => permission.clients)))
  const isAny = rows.some((row) => row.permissions.some((permission) => permission.anyClient))
  const all = [...(isAny ? [ANY] : []), ...[...named].sort()]
  const columns = all.slice(0, COLUMNS)
  const parts = [`${rows.length} of ${count(audiences, 'audience')}`]
  if (found !== audiences) parts.push(`${found} found`)
  if (all.length > columns.length) parts.push(`${columns.length} of ${all.length} clients`)
  if (rows.length < found || all.length > columns.length) parts.push('filter for the others')
  byId('access-count').textContent = parts.join(' · ')
  if (rows.length === 0) {
    fill('matrix', h('p', { class: 'empty' }, audiences === 0 ? 'There is no audience file.' : 'No audience is found.'))
    return
  }
  const severalRealms = shown.realms.length > 1
  fill('matrix', table('Permissions by audience and client', ['Audience', ...columns.map((client) => client === ANY ? 'any client' : client)],
    rows.map((row) => h('tr', null,
      h('th', { scope: 'row' }, row.audience, h('span', { class: 'muted' }, severalRealms ? `${row.realm} · ${row.owner}` : row.owner)),
      columns.map((client) => cell(row, client))))))
}

function cell(row, client) {
  const here = row.permissions.filter((one) => client === ANY ? one.anyClient : one.clients.includes(client))
  if (here.length === 0) return h('td', { class: 'none' }, h('span', { 'aria-hidden': 'true' }, '·'), h('span', { class: 'visually-hidden' }, 'none'))
  return h('td', null, here.map((permission) => h('button', {
    type: 'button', class: permission.allowed > 0 ? 'cell used' : 'cell', 'data-key': `${row.file} ${permission.place} ${client}`,
    onclick: () => showPermission(row, permission, client),
  },
  h('span', { class: 'code' }, permission.place.replace('permissions', '')), ` ${permission.issuance}`,
  h('span', { class: 'muted' }, permission.lastUsed ? [`${permission.allowed}× · `, time(permission.lastUsed)] : 'not used'))))
}

function list(pairs) {
  return h('dl', null, pairs.filter(([, value]) => value !== null && value !== undefined && value !== '' && value.length !== 0)
    .map(([name, value]) => [h('dt', null, name), h('dd', null, value)]).flat())
}

const names = (values, all) => values.includes('*') ? all : values.join(', ')

function showPermission(row, permission, client) {
  const asking = h('button', { type: 'button' }, 'Ask the simulator')
  asking.addEventListener('click', () => {
    byId('details').close()
    prepare({ realm: row.realm, client: client === ANY ? '' : client, audience: [row.audience], claims: {} })
  })
  openDetails(`${row.audience}: ${permission.place}`,
    list([
      ['File', h('code', null, permission.line ? `${row.file}:${permission.line}` : row.file)],
      ['Owner', row.owner],
      ['Realm', row.realm],
      ['Clients', permission.anyClient ? 'any client' : permission.clients.join(', ') + (permission.moreClients ? ` and ${permission.moreClients} more` : '')],
      ['Subject tokens of', names(permission.issuers, 'any issuer')],
      ['Scopes', names(permission.scopes, 'any scope') || 'none'],
      ['Issuance', permission.issuance],
      ['Beyond that', [permission.hasCondition && 'a condition', permission.delegation && 'delegation', permission.impersonation && 'impersonation'].filter(Boolean).join(', ')],
      ['Uses', `${permission.allowed.toLocaleString('en')} since Cambio started or the file changed`],
      ['Last use', permission.lastUsed ? [time(permission.lastUsed), ` (${exact(permission.lastUsed)})`] : 'none'],
      ['Ends', permission.ends ? [time(permission.ends), ` (${exact(permission.ends)})`] : null],
    ]),
    row.morePermissions ? h('p', { class: 'muted small' }, `The file has ${row.morePermissions} more permissions that are not shown: filter by client.`) : null,
    h('div', { class: 'row' }, asking))
}

// Decisions.
const target = (line) => [...(line.audience ?? []), ...(line.resource ?? [])].join(', ')
function showDecisions() {
  const text = byId('decisions-text').value.trim().toLowerCase()
  const outcome = byId('decisions-outcome').value
  const found = shown.decisions.filter((line) => (!outcome || line.outcome === outcome)
    && (!text || JSON.stringify(line).toLowerCase().includes(text)))
  const all = shown.decisions.length
  byId('decisions-count').textContent = found.length === all ? `the last ${all}` : `${found.length} of the last ${all}`
  if (found.length === 0) {
    fill('decisions-table', h('p', { class: 'empty' }, all === 0 ? 'Nothing was decided since Cambio started.' : 'No decision is found.'))
    return
  }
  fill('decisions-table', table('Last decisions, the newest first', ['When', 'Outcome', 'Why', 'Client', 'For', 'Subject'],
    found.map((line) => h('tr', null,
      h('td', { class: 'when' }, time(line.time)),
      h('td', null, badge(line.outcome)),
      h('td', null, h('button', { type: 'button', class: 'link', 'data-key': line.id, onclick: () => showDecision(line), 'aria-label': `Explain: ${why(line)}, ${line.client ?? 'unknown client'}, ${exact(line.time)}` }, why(line))),
      h('td', { class: 'wrap client' }, line.client ?? '–'),
      h('td', { class: 'wrap' }, target(line) || line.path),
      h('td', { class: 'wrap' }, line.subject ?? '–')))))
}

const why = (line) => line.reason ?? (line.permissions?.length ? `by ${line.permissions.map((one) => one.replace('permissions', '')).join(', ')}` : line.event.replaceAll('_', ' '))

// The question about a decision, as far as its audit line knows it; null if it knows too little.
function questionOf(line) {
  if (line.event !== 'token_exchange' || line.door || line.impersonation || !line.client || !target(line)) return null
  const url = (name) => shown.issuers.find((issuer) => issuer.name === name)?.url
  const claims = {}
  if (line.subject) claims.sub = line.subject
  if (url(line.subject_issuer)) claims.iss = url(line.subject_issuer)
  if (line.roles_before) {
    claims.realm_access = { roles: line.roles_before.realm ?? [] }
    claims.resource_access = Object.fromEntries(Object.entries(line.roles_before.clients ?? {}).map(([client, roles]) => [client, { roles }]))
  }
  const question = { realm: line.realm, client: line.client, audience: line.audience ?? [], resource: line.resource ?? [], claims }
  if (line.scope_requested) question.scope = line.scope_requested
  if (line.subject_token_type) question.subjectTokenType = line.subject_token_type
  if (line.requested_token_type) question.requestedTokenType = line.requested_token_type
  if (line.actor) question.actorClaims = { sub: line.actor, ...(url(line.actor_issuer) ? { iss: url(line.actor_issuer) } : {}), ...(line.actor_client ? { azp: line.actor_client } : {}) }
  return question
}

async function showDecision(line) {
  const shownFirst = ['reason', 'detail', 'client', 'audience', 'resource', 'subject', 'subject_issuer', 'actor', 'permissions', 'issuance', 'scope_requested', 'scope_granted', 'roles_before', 'roles_granted', 'status', 'time', 'id']
  const others = Object.keys(line).filter((key) => !shownFirst.includes(key) && !['event', 'outcome'].includes(key))
  const text = (value) => Array.isArray(value) && value.every((one) => typeof one === 'string') ? value.join(', ') : typeof value === 'object' ? JSON.stringify(value) : String(value)
  const pairs = (keys) => list(keys.filter((key) => line[key] !== undefined).map((key) => [key, text(line[key])]))
  const again = h('div', { class: 'answer' })
  openDetails(`${line.event.replaceAll('_', ' ')}: ${line.outcome}`, h('p', null, badge(line.outcome), ' ', h('strong', null, why(line))),
    h('h3', null, 'The audit line'), pairs(shownFirst),
    h('details', null, h('summary', null, 'all other fields'), pairs(others)), again)
  const question = questionOf(line)
  if (!question) {
    again.append(h('p', { class: 'muted' }, 'The audit line does not hold what the simulator needs.'))
    return
  }
  const asking = h('button', { type: 'button' }, 'Change it in the simulator')
  asking.addEventListener('click', () => { byId('details').close(); prepare(question) })
  const answer = await ask(question)
  again.append(h('h3', null, 'Judged again now'),
    h('p', { class: 'muted small' }, 'With the files in force now, and with the claims that the audit line holds. A condition about other claims may say something else.'),
    answer.text ? h('p', null, answer.text) : explanation(answer.explanation), h('div', { class: 'row' }, asking))
}

// Explanations.
async function ask(question) {
  try {
    const answer = await request('/explain', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(question) })
    const text = await answer.text()
    return answer.ok ? { explanation: JSON.parse(text) } : { text: `${answer.status}: ${text.trim()}` }
  } catch (error) {
    return { text: `Cambio does not answer: ${error.message}` }
  }
}

function explanation(given) {
  const place = (one) => one.file ? `${one.file}${one.line ? `:${one.line}` : ''}` : ''
  const parts = [h('p', null, given.allowed ? badge('allowed') : badge('denied', 'refused'), ' ',
    h('strong', null, given.allowed ? `by ${given.applied.join(', ')}` : given.reason))]
  if (given.detail) parts.push(h('p', { class: 'wrap' }, given.detail))
  if (given.observed) parts.push(h('p', null, 'The exchange is observed: the identity provider answers, and this decision is only written down.'))
  if (given.answer) parts.push(h('h3', null, `What the caller gets: ${given.answer.status}`), h('pre', null, JSON.stringify(given.answer.body, null, 2)))
  if (given.permissions?.length) {
    parts.push(h('h3', null, 'The permissions that name the client'), h('div', { class: 'scroll', role: 'group', tabindex: '0', 'aria-label': 'Table of permissions in this answer' },
      table('The permissions that name the client', ['Holds', 'Permission', 'Owner', 'Why'], given.permissions.map((one) => h('tr', null,
        h('td', null, one.applies ? badge('good', 'yes') : badge('plain', 'no')),
        h('td', { class: 'wrap' }, `${one.audience}: ${one.permission}`, h('div', { class: 'muted small code' }, place(one))),
        h('td', null, one.owner ?? '–'), h('td', { class: 'wrap' }, one.why ?? '–'))))))
  }
  if (given.toAllow?.length) {
    parts.push(h('h3', null, 'The smallest permission that would allow it'))
    for (const paste of given.toAllow) {
      parts.push(h('p', { class: 'wrap' }, paste.file ? `${paste.owner} adds this to permissions in ${paste.file}:` : `The team that runs ${paste.audience} adds this file:`), h('pre', null, paste.yaml))
      if (paste.goesAround?.length) parts.push(h('p', null, badge('bad', 'beware'), ` This goes around the condition of ${paste.goesAround.join(', ')}.`))
    }
  }
  const granted = given.granted
  if (granted) {
    parts.push(h('h3', null, 'The new token'), list([
      ['Issuance', granted.issuance], ['aud', granted.aud?.join(', ')], ['sub', granted.sub],
      ['Scope', granted.scope ?? `as the identity provider says, within ${granted.permittedScopes.join(' ') || 'none'}`],
      ['Lifetime', `at most ${granted.lifetime} s`], ['Refresh token', granted.refreshToken ? 'yes' : null], ['Demands', granted.demands?.join(', ')],
      ...['act', 'mayAct', 'cnf'].map((name) => [name, granted[name] ? JSON.stringify(granted[name]) : null])]))
  }
  if (given.roles) {
    const kept = new Set(given.roles.after.map((one) => one.role))
    const dropped = given.roles.before.filter((role) => !kept.has(role))
    parts.push(h('h3', null, 'Its roles'), list([...given.roles.after.map((one) => [one.role, `from ${one.from}`]), ['dropped', dropped.join(', ')], ...(kept.size ? [] : [['roles', 'none']])]))
  }
  if (given.supposed?.length) parts.push(h('h3', null, 'Supposed, not checked'), h('ul', { class: 'plain-list muted small' }, given.supposed.map((one) => h('li', null, one))))
  return h('div', null, parts)
}

function prepare(question) {
  for (const [id, value] of [['realm', question.realm], ['client', question.client], ['audience', question.audience?.join(' ')], ['resource', question.resource?.join(' ')], ['scope', question.scope]]) byId(`ask-${id}`).value = value ?? ''
  byId('ask-subject-type').value = question.subjectTokenType ?? 'access_token'
  byId('ask-requested-type').value = question.requestedTokenType ?? ''
  byId('ask-claims').value = JSON.stringify(question.claims ?? {}, null, 2)
  byId('ask-actor').value = question.actorClaims ? JSON.stringify(question.actorClaims, null, 2) : ''
  fill('ask-answer')
  byId('ask-said').textContent = ''
  byId('simulator').scrollIntoView()
  byId('ask-client').focus()
}

const words = (id) => byId(id).value.split(/\s+/).filter(Boolean)
function claims(id, what) {
  const text = byId(id).value.trim()
  if (!text) return undefined
  try {
    const value = JSON.parse(text)
    if (value && typeof value === 'object' && !Array.isArray(value)) return value
  } catch { /* said below */ }
  throw new Error(`The claims of the ${what} token must be a JSON object.`)
}

async function simulate(event) {
  event.preventDefault()
  const question = { realm: byId('ask-realm').value, client: byId('ask-client').value.trim(), audience: words('ask-audience'), resource: words('ask-resource'), subjectTokenType: byId('ask-subject-type').value }
  const optional = { scope: byId('ask-scope').value.trim(), requestedTokenType: byId('ask-requested-type').value }
  for (const [name, value] of Object.entries(optional)) if (value) question[name] = value
  fill('ask-answer')
  byId('ask-said').textContent = ''
  let said
  try {
    question.claims = claims('ask-claims', 'subject') ?? {}
    const actor = claims('ask-actor', 'actor')
    if (actor) question.actorClaims = actor
    const answer = await ask(question)
    said = answer.text ?? (answer.explanation.allowed ? 'Allowed.' : `Refused: ${answer.explanation.reason}.`)
    if (answer.explanation) fill('ask-answer', h('div', { class: 'answer' }, explanation(answer.explanation)))
  } catch (error) {
    said = error.message
  }
  byId('ask-said').textContent = said
}

// The configuration, what ends, and keys.
function showLoad() {
  const { outcome, at, error, files, moreFiles, warnings } = shown.load
  const states = { ok: ['good', 'all in force'], partial: ['warn', 'a part is refused'], error: ['bad', 'refused'] }
  const [kind, text] = states[outcome] ?? ['plain', outcome ?? 'not loaded']
  fill('load',
    h('p', { class: 'between' }, badge(kind, text), h('span', { class: 'muted' }, 'last load ', at ? time(at) : 'never')),
    outcome === 'error' ? [h('h3', null, 'The platform\'s files are refused; the last good ones are in force'), h('pre', null, error ?? '')] : null,
    files.length ? h('h3', null, 'Refused audience files') : null,
    files.length ? h('ul', { class: 'list' }, files.map((file) => h('li', null,
      h('div', { class: 'between' }, h('strong', null, file.audience ?? 'unknown audience'), h('span', null, file.owner)),
      h('div', { class: 'muted small code' }, file.file),
      h('div', { class: 'small' }, `in force: ${file.inForce}`),
      h('ul', { class: 'plain-list small' }, file.problems.map((one) => h('li', null, `${one.line ? `line ${one.line}: ` : ''}${one.key ? `${one.key}: ` : ''}${one.message}`)),
        file.moreProblems ? h('li', null, `and ${count(file.moreProblems, 'more problem')}`) : null)))) : null,
    moreFiles ? h('p', { class: 'muted small' }, `and ${count(moreFiles, 'more file')}`) : null,
    warnings ? h('p', { class: 'muted small' }, `${count(warnings, 'warning')}: cambio check prints them.`) : null)
}

function showEnds() {
  const { list: ends, more } = shown.ends
  const now = Date.parse(shown.now)
  const kind = (at) => Date.parse(at) <= now ? 'bad' : Date.parse(at) - now < 14 * 86_400_000 ? 'warn' : 'plain'
  fill('ends-list', ends.length === 0
    ? h('p', { class: 'muted' }, 'No permission, key or certificate has an end.')
    : h('ul', { class: 'list' }, ends.map((end) => h('li', null,
      h('div', { class: 'between' }, h('span', { class: 'wrap' }, h('strong', null, end.name)), h('span', { class: `badge ${kind(end.at)}` }, time(end.at))),
      h('div', { class: 'muted small' }, `${end.kind} · ${end.owner} · ${exact(end.at).slice(0, 10)}`),
      end.kid ? h('div', { class: 'muted small code' }, end.kid) : null))),
  more ? h('p', { class: 'muted small' }, `and ${count(more, 'later end')}`) : null)
}

function showIssuers() {
  const own = (name) => shown.realms.find((realm) => realm.name === name)?.signingKeys ?? []
  const key = (kid, text, kind) => h('li', null, h('span', { class: 'code wrap' }, kid ?? 'no kid'), ' ', h('span', { class: kind ?? 'muted' }, ...text))
  fill('issuers-list', h('ul', { class: 'list' }, shown.issuers.map((issuer) => h('li', null,
    h('div', { class: 'between' }, h('strong', null, issuer.name), state(issuer)),
    h('div', { class: 'muted small wrap' }, `${issuer.isRealm ? 'realm' : 'foreign issuer'} · ${issuer.url}`),
    h('ul', { class: 'plain-list small' },
      issuer.keys.map((one) => key(one.kid, [one.algorithms.join(', ')])),
      issuer.leftOut.map((one) => key(one.kid, [`not used: ${one.why}`])),
      own(issuer.name).map((one) => key(one.kid, [`${one.algorithm}, Cambio's ${one.state} key`, ...(one.since ? [', made so ', time(one.since)] : []), ...(one.until ? [', gone ', time(one.until)] : [])])))))))
}

function state(issuer) {
  if (issuer.source === 'shared') return badge('plain', 'shared secret')
  if (issuer.ageSeconds === null) return badge('bad', 'no keys yet')
  return badge(issuer.keys.length ? 'good' : 'bad', `${count(issuer.keys.length, 'key')}, ${length(issuer.ageSeconds)} old`)
}

// The dialog keeps the focus inside, closes with Escape, and gives the focus back.
function openDetails(title, ...content) {
  byId('details-title').textContent = title
  fill('details-content', ...content)
  if (!byId('details').open) byId('details').showModal()
  byId('details').scrollTop = 0
}

// Starts.
let waiting
function later() {
  clearTimeout(waiting)
  waiting = setTimeout(async () => {
    await refresh()
    say(byId('access-count').textContent)
  }, 250)
}
for (const name of ['audience', 'client', 'realm']) byId(`filter-${name}`).addEventListener('input', later)
byId('decisions-text').addEventListener('input', () => { showDecisions(); say(byId('decisions-count').textContent) })
byId('decisions-outcome').addEventListener('input', () => { showDecisions(); say(byId('decisions-count').textContent) })
for (const form of document.querySelectorAll('form[role=search]')) form.addEventListener('submit', (event) => event.preventDefault())
byId('ask').addEventListener('submit', simulate)
byId('details-close').addEventListener('click', () => byId('details').close())
byId('refresh').addEventListener('click', async () => { await refresh(); say(byId('alarm').hidden ? `Up to date as of ${byId('updated').textContent}` : '') })
byId('token').addEventListener('submit', (event) => {
  event.preventDefault()
  token = byId('token-text').value.trim()
  byId('token-text').value = ''
  refresh()
})
setInterval(() => { if (byId('auto').checked && !document.hidden && byId('token').hidden) refresh() }, PERIOD)
setInterval(tick, 1000)
refresh()
