// A resource server written by others: express-oauth2-jwt-bearer guards an Express application, its keys found through
// the issuer's discovery alone. Arguments: issuer, audience. Each line of standard input is a token, which is sent to the
// application as a caller does; the answer is a line: "ok" and the claims, or "no" and why.
import { createInterface } from 'node:readline'
import express from 'express'
import { auth } from 'express-oauth2-jwt-bearer'

const [issuerBaseURL, audience] = process.argv.slice(2)
const application = express()
// Algorithms: the ones that discovery lists.
application.use(auth({ issuerBaseURL, audience }))
application.get('/', (request, answer) => answer.json(request.auth.payload))
application.use((error, request, answer, next) => answer.status(error.status ?? 500).send(`${error.code} ${error.message}`))

const listener = application.listen(0, '127.0.0.1', async () => {
  for await (const token of createInterface({ input: process.stdin })) {
    const answer = await fetch(`http://127.0.0.1:${listener.address().port}`, { headers: { authorization: `Bearer ${token}` } })
    const text = await answer.text()
    console.log(answer.ok ? `ok ${text}` : `no ${answer.status} ${text.replaceAll('\n', ' ')}`)
  }
  listener.closeAllConnections()
  listener.close()
})
