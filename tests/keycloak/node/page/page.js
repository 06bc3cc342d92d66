// The single-page application of CERN's page: front-end-app, a public client. keycloak-js does all of it but the exchange,
// for which it has no function. The address of this page says which server; browser.mjs drives what `application` has.
import Keycloak from '/keycloak.js'

const query = new URLSearchParams(sessionStorage.getItem('server') ?? location.search)
sessionStorage.setItem('server', query.toString())
const keycloak = new Keycloak({ url: query.get('url'), realm: query.get('realm'), clientId: 'front-end-app' })

// The page's curl, by fetch and without a secret.
async function exchange(audience, requested) {
  const answer = await fetch(`${keycloak.authServerUrl}/realms/${keycloak.realm}/protocol/openid-connect/token`, {
    method: 'POST',
    body: new URLSearchParams({
      client_id: keycloak.clientId,
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: keycloak.token,
      requested_token_type: `urn:ietf:params:oauth:token-type:${requested}`,
      audience,
    }),
  })
  return { status: answer.status, document: await answer.json() }
}

// Any other call of the API that was logged in to, with a header that makes the browser ask first.
async function read(name, token) {
  const answer = await fetch(`${keycloak.authServerUrl}/realms/${keycloak.realm}/protocol/openid-connect/${name}`, {
    headers: { authorization: `Bearer ${token}` },
  })
  return { status: answer.status, document: await answer.json() }
}

async function refresh() {
  const before = keycloak.token
  const refreshed = await keycloak.updateToken(-1)
  return { refreshed, changed: keycloak.token !== before, token: keycloak.token }
}

// What a refresh token of the exchange is for.
async function refreshExchanged(token) {
  const answer = await fetch(`${keycloak.authServerUrl}/realms/${keycloak.realm}/protocol/openid-connect/token`, {
    method: 'POST',
    body: new URLSearchParams({ client_id: keycloak.clientId, grant_type: 'refresh_token', refresh_token: token }),
  })
  return { status: answer.status, document: await answer.json() }
}

const authenticated = await keycloak.init({ onLoad: 'check-sso', pkceMethod: 'S256' })
window.application = {
  authenticated, exchange, read, refresh, refreshExchanged,
  login: () => keycloak.login(),
  logout: () => keycloak.logout(),
  userInfo: () => keycloak.loadUserInfo(),
  tokens: () => ({ access_token: keycloak.token, refresh_token: keycloak.refreshToken, id_token: keycloak.idToken }),
}
document.getElementById('state').textContent = authenticated ? 'logged in' : 'logged out'
