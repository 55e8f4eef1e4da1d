/**
 * Prints what the pipeline has found: the routes with the worst delays, and the flights that were late even for their airport.
 *
 *     node examples/flights/report.ts
 */
import { readFileSync } from 'node:fs'

interface Route {
  readonly origin: string
  readonly destination: string
  readonly from: string
  readonly to: string
  readonly miles: number
  readonly flights: number
  readonly late: number
  readonly average: number
  readonly worst: number
}

const FLIGHTS_MIN = 500
const ROWS = 12
/** Widths in characters: a row fits into 80. */
const CITIES = 24
const BAR = 11

function rows<T>(name: string): T[] {
  const path = new URL(`out/${name}`, import.meta.url)
  return readFileSync(path, 'utf8').split('\n').filter(line => line !== '').map(line => JSON.parse(line) as T) // The pipeline's own output.
}

const number = (value: number, width: number, digits = 0): string => value.toFixed(digits).replace(/\B(?=(\d{3})+(?!\d))/g, ',').padStart(width)

/** `text` in `width` characters. */
function cut(text: string, width: number): string {
  return text.length <= width ? text.padEnd(width) : `${text.slice(0, width - 1)}…`
}

const routes = rows<Route>('routes.ndjson')
const flights = routes.reduce((sum, route) => sum + route.flights, 0)
const late = routes.reduce((sum, route) => sum + route.late, 0)
const worst = routes.filter(route => route.flights >= FLIGHTS_MIN).sort((a, b) => b.average - a.average).slice(0, ROWS)
const top = worst[0]?.average ?? 1
const colors = process.stdout.isTTY === true && (process.env.NO_COLOR ?? '') === ''
const styled = (on: number, off: number) => (text: string): string => (colors ? `\u001b[${on}m${text}\u001b[${off}m` : text)
const [bold, dim, red] = [styled(1, 22), styled(2, 22), styled(31, 39)]

console.log(bold(`\nThe worst of ${number(routes.length, 0)} routes in the United States, January to June 2001`))
console.log(dim(`${number(flights, 0)} flights, ${number((late / flights) * 100, 0, 1)} % of them over 15 minutes late; routes of ${FLIGHTS_MIN} or more\n`))
console.log(dim(`   ${'route'.padEnd(9)}  ${cut('', CITIES)} flights   late   worst   average, min`))
worst.forEach((route, place) => {
  const share = `${number((route.late / route.flights) * 100, 3)} %`
  const bar = '█'.repeat(Math.max(1, Math.round((route.average / top) * BAR)))
  const cities = cut(`${route.from} to ${route.to}`, CITIES)
  console.log(`${String(place + 1).padStart(2)} ${route.origin} ${dim('→')} ${route.destination}  ${cities} ${number(route.flights, 7)}  ${share}  ${number(route.worst, 6)}   ${number(route.average, 4, 1)} ${red(bar)}`)
})

const { length } = rows<unknown>('very-late.ndjson')
const implausible = rows<unknown>('implausible.ndjson').length
console.log(`\n${number(length, 0)} flights were three hours late, unusual even there: out/very-late.ndjson`)
console.log(`${number(implausible, 0)} records could not be true (hours too early): out/implausible.ndjson\n`)
