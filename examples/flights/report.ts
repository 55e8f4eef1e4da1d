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
const BAR = 20

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
const busy = routes.filter(route => route.flights >= FLIGHTS_MIN)
const worst = busy.sort((a, b) => b.average - a.average).slice(0, ROWS)
const top = worst[0]?.average ?? 1
const colors = process.stdout.isTTY === true && (process.env.NO_COLOR ?? '') === ''
const red = (text: string): string => (colors ? `\u001b[31m${text}\u001b[39m` : text)
const dim = (text: string): string => (colors ? `\u001b[2m${text}\u001b[22m` : text)

console.log(`\nThe worst of ${number(routes.length, 0)} routes in the United States, January to June 2001`)
console.log(dim(`${number(flights, 0)} flights, ${number((late / flights) * 100, 0, 1)} % of them over a quarter of an hour late; routes with ${FLIGHTS_MIN} flights or more\n`))
console.log(dim(`   ${'route'.padEnd(9)}  ${cut('', 38)} ${'miles'.padStart(6)} ${'flights'.padStart(8)} ${'late'.padStart(6)} ${'worst'.padStart(7)}  average delay`))
worst.forEach((route, place) => {
  const cities = cut(`${route.from} to ${route.to}`, 38)
  const share = `${number((route.late / route.flights) * 100, 3)} %`
  const bar = '█'.repeat(Math.max(1, Math.round((route.average / top) * BAR)))
  console.log(`${String(place + 1).padStart(2)} ${route.origin} ${dim('→')} ${route.destination}  ${cities} ${number(route.miles, 6)} ${number(route.flights, 8)} ${share.padStart(6)} ${number(route.worst, 7)}  ${red(bar.padEnd(BAR))} ${number(route.average, 5, 1)} min`)
})
console.log()
