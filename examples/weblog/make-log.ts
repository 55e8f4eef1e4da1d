/**
 * Writes `data/access_log`: one made-up hour of a small shop's web server, in the combined log format. The same seed writes the same log.
 *
 *     node examples/weblog/make-log.ts
 */
import { writeFileSync } from 'node:fs'

const REQUESTS = 800
const START = Date.UTC(2026, 2, 14, 9, 0, 0)

/** Mulberry32: small, seeded, good enough for sample data. */
function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const random = randomFrom(20_260_314)
const pick = <T>(from: readonly [T, ...T[]]): T => from[Math.floor(random() * from.length)] ?? from[0]
const two = (value: number): string => String(value).padStart(2, '0')

const AGENTS: readonly [string, ...string[]] = [
  'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0',
  'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Safari/605.1.15',
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/145.0.0.0 Safari/537.36',
  'ExampleBot/2.1 (+https://example.com/bot)',
]
const PAGES: readonly [string, ...string[]] = ['/', '/', '/', '/products', '/products', '/products/7', '/products/12', '/products/31', '/cart', '/checkout', '/about', '/static/shop.css', '/static/shop.js', '/favicon.ico']
const REFERRERS: readonly [string, ...string[]] = ['-', '-', 'https://shop.example.com/', 'https://shop.example.com/products', 'https://search.example.org/?q=%22wool+socks%22']
/** Addresses of the ranges that are kept for documentation (RFC 5737, RFC 3849). */
const visitors = Array.from({ length: 40 }, (_, at) => (at % 8 === 0 ? `2001:db8::${(at + 17).toString(16)}` : `${pick(['192.0.2', '198.51.100', '203.0.113'])}.${1 + Math.floor(random() * 250)}`)) as [string, ...string[]]

function clf(time: number): string {
  const at = new Date(time)
  const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
  return `${two(at.getUTCDate())}/${months[at.getUTCMonth()]}/${at.getUTCFullYear()}:${two(at.getUTCHours())}:${two(at.getUTCMinutes())}:${two(at.getUTCSeconds())} +0000`
}

function line(time: number): string {
  const who = pick(visitors)
  // What port scanners leave behind: no request, or bytes that are none.
  if (random() < 0.006) return `${who} - - [${clf(time)}] "\\x16\\x03\\x01\\x02\\x00\\x01" 400 157 "-" "-"`
  if (random() < 0.004) return `${who} - - [${clf(time)}] connection reset by peer`
  const page = random() < 0.04 ? `/.env${pick(['', '.bak', '.old'])}` : pick(PAGES)
  const broken = page === '/checkout' ? 0.2 : 0.008
  const status = page.startsWith('/.env') ? 404 : random() < broken ? pick([500, 502, 503]) : random() < 0.08 ? 304 : 200
  const bytes = status === 304 ? 0 : status >= 400 ? 300 + Math.floor(random() * 200) : 800 + Math.floor(random() ** 3 * 60_000)
  const method = page === '/checkout' ? 'POST' : 'GET'
  const user = random() < 0.1 ? pick(['ada', 'grace', 'edsger']) : '-'
  return `${who} - ${user} [${clf(time)}] "${method} ${page} HTTP/1.1" ${status} ${bytes} "${pick(REFERRERS)}" "${pick(AGENTS)}"`
}

let time = START
const lines = Array.from({ length: REQUESTS }, () => line((time += random() * 9000)))
writeFileSync(new URL('data/access_log', import.meta.url), `${lines.join('\n')}\n`)
